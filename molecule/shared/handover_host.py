"""What the checks of handovers do with a host: read its generations, hold a handover at a point, and watch clients."""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from load import summary
from load.run_folder import RunFolder
from switch_host import APP, SwitchHost, wait_until

TREES = "/var/lib/grove/httpd"
REFUSAL = "/run/grove/httpd-handover-refused"
KINDS = ("--streams", "2", "--uploads", "2", "--waiting", "3", "--seconds", "6000", "--requests", "1000000")
"""Options of the load client: the kinds of clients that the scenario switch does not have."""
QUICK = ("--slow-seconds", "1", "3")
"""A handover waits for requests that are under way, so shorter ones make a check shorter."""
STALE = 20.0
"""Seconds. Apache keeps an idle connection for 25 (httpd_keepalive_timeout). It must not close one before this time."""
HOLD_SECONDS = 900
"""Until a handover has come to a point. A run of Grove may precede it, on a machine that may be busy."""


@dataclass(frozen=True)
class HandoverHost(SwitchHost):
    """The host of a check. ``totals`` counts the handovers and requests of all checks in which no request may fail."""

    totals: Counter[str] = field(default_factory=Counter)


def live(server: HandoverHost) -> int:
    """Return the number of the live generation."""
    return int(server.run("readlink", f"{TREES}/live"))


def parents(server: HandoverHost) -> dict[str, int]:
    """Return the parent process of each running generation, by the part that the generation plays."""
    return {role: pid for _, role, pid in _status(server)}


def running(server: HandoverHost) -> dict[int, str]:
    """Return the part that each running generation plays."""
    return {number: role for number, role, _ in _status(server)}


def _status(server: HandoverHost) -> list[tuple[int, str, int]]:
    lines = re.findall(r"(?m)^generation (\d+): (\w+), process (\d+)", server.run("grove-httpd", "status"))
    return [(int(number), role, int(pid)) for number, role, pid in lines]


def parent(server: HandoverHost) -> int:
    """Return the process id of the live generation's parent."""
    return int(server.run("cat", "/run/apache2/apache2.pid"))


def daemons_of(server: HandoverHost, apache: int) -> list[int]:
    """Return the application's daemon processes that are children of one Apache, those of the live slot alone."""
    title = f"{server.live(APP)[0][0]}-{APP}"
    return [one.pid for one in server.processes() if one.parent == apache and one.command.split()[0] == title]


def is_active(server: HandoverHost) -> bool:
    return server.try_run("systemctl", "is-active", "apache2").returncode == 0


def reload(server: HandoverHost) -> bool:
    """Hand over, as an operator does; return whether that succeeded."""
    return server.try_run("systemctl", "reload", "apache2").returncode == 0


def logged(server: HandoverHost) -> int:
    """Return how many requests of the load client the application's access log has, of all days."""
    return int(server.run("sh", "-c", f"cat /var/log/apache2/{APP}-access.log-* | grep -c grove-load || true"))


@contextmanager
def watched(
    server: HandoverHost, part: str, *, may_fail: int = 0, options: tuple[str, ...] = QUICK
) -> Iterator[RunFolder]:
    """Put load of every kind on the application until the block ends; then check its answers and the access log.

    No request may fail but ``may_fail``. If none may, no kept connection may be stale either, and the access log has to
    have one line for each request, whichever generation has answered it.
    """
    lines, first = logged(server), live(server)
    with server.load(part, may_fail=may_fail, slowest_fails=math.inf, options=(*KINDS, *options)) as run:
        yield run
    measured = summary.summarize(run)
    handovers = live(server) - first
    stale = [idle for idle in measured.run.connections.retry_idle if idle < STALE]
    others = {kind: figures.requests for kind, figures in measured.by_client.items()}
    server.note(f"{part}: {handovers} handovers, {len(stale)} stale; requests by client: {others}")
    if may_fail:
        return
    server.totals.update(handovers=handovers, requests=measured.total.requests, failed=measured.total.failed)
    assert not stale, f"{part}: connections were closed after they had been idle for {stale} s"
    sent = measured.total.requests
    wait_until(lambda: logged(server) - lines >= sent, 60, f"{sent} requests are in the access log")
    assert logged(server) - lines == sent, f"{part}: the access log has more lines than there were requests"


POINTS = {
    "before the tree is made": ("prepare", "trees", "make"),
    "when the tree is made": ("prepare", "steering", "keep"),
    "before the new Apache is started": ("begin", "handover", "_start"),
    "when the new Apache is started": ("finish", "handover", "_live_running"),
    "before the new Apache is asked": ("finish", "door", "problems"),
    "before the new Apache is live": ("finish", "state", "make_live"),
    "before the new Apache gets connections": ("finish", "steering", "steer"),
    "before the former Apache is told to leave": ("finish", "handover", "_leave"),
    "while the former Apache leaves": ("finish", "handover", "_drain"),
}
"""Points of a handover: its step, and the module and function that the step is about to call."""

HOLD = """
import os, signal, sys

def watch(frame, event, argument):
    code = frame.f_code
    if event == "call" and code.co_name == {function!r} and code.co_filename.endswith("/generation/{module}.py"):
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGSTOP)

if [os.path.basename(word) for word in sys.orig_argv[-2:]] == ["grove-httpd", {step!r}]:
    sys.setprofile(watch)
"""
"""A module that each Python of the host imports when it starts. The step stops itself when it comes to the point."""


@contextmanager
def held(
    server: HandoverHost, point: str, command: Callable[[], bool] | None = None
) -> Iterator[tuple[int, Future[bool]]]:
    """Run a command, or a reload, until its handover comes to a point; let it go on after the block, if it lives.

    Yields the process of the step, which is stopped, and the command's future result.
    """
    step, module, function = POINTS[point]
    folder = server.run("python3", "-c", "import site; print(site.getsitepackages()[0])").strip()
    files = [f"{folder}/grove_hold.pth", f"{folder}/grove_hold.py"]

    def stopped() -> list[int]:
        rows = (line.split(None, 2) for line in server.run("ps", "-eo", "pid=,stat=,args=").splitlines())
        return [int(pid) for pid, state, words in rows if state.startswith("T") and "grove-httpd" in words]

    with ThreadPoolExecutor(1) as pool:
        pid = 0
        try:
            server.run("sh", "-c", f"cat >{files[1]}", stdin=HOLD.format(step=step, module=module, function=function))
            server.run("sh", "-c", f"echo import grove_hold >{files[0]}")
            under_way = pool.submit(command or (lambda: reload(server)))
            deadline = time.monotonic() + HOLD_SECONDS
            while not (held_now := stopped()):
                assert not under_way.done(), f"the command ended before it came to the point: {point}"
                assert time.monotonic() < deadline, f"the command did not come to the point: {point}"
                time.sleep(0.1)
            [pid] = held_now
            # The step goes on when it is told to, and no later one is held.
            server.run("rm", *files)
            yield pid, under_way
        finally:
            server.run("rm", "-f", *files)
            if pid:
                server.try_run("kill", "-CONT", str(pid))
