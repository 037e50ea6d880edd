"""Handing the traffic of an application to a release: idle slot, doors, flip, and the way back.

The order, and why each step is there, is in the design: point the idle slot, replace its processes, wait until every
one of them answers healthy with the new release's id through its door, warm it, flip the map by rename, verify through
the front, flip back when that fails, and drain the slot that was live.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, AppFolder, other_than
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.switching import draining

RELEASE_HEADER = "X-Grove-Release"
PROCESS_HEADER = "X-Grove-Process"
WARM_UP_REQUESTS = 20


class SwitchError(OperatorError):
    """The traffic was not handed over; the message says why, and the old release serves on."""


@dataclass(frozen=True)
class Place:
    """Where to send a request: address and port, the Host header, and whether TLS is spoken."""

    address: str
    port: int
    host: str
    tls: bool = False


@dataclass(frozen=True)
class Answer:
    """Status (0 when there was no answer), the stamp of release and process, and the error where there was none."""

    status: int
    release: str = ""
    process: int = 0
    error: str = ""

    def __str__(self) -> str:
        return f"answered {self.status}" if self.status else f"gave no answer ({self.error})"


def ask(place: Place, path: str, timeout: float = 10.0) -> Answer:
    """Send one GET on a connection of its own, and never raise."""
    connection = http.client.HTTPConnection(place.address, place.port, timeout=timeout)
    try:
        if place.tls:
            connection.sock = _tls(place, timeout)
        connection.request("GET", path, headers={"Host": place.host, "Connection": "close", "User-Agent": "grove"})
        response = connection.getresponse()
        response.read()
        process = response.getheader(PROCESS_HEADER, "0")
        return Answer(response.status, response.getheader(RELEASE_HEADER, ""), int(process) if process.isdigit() else 0)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(0, error=f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def _tls(place: Place, timeout: float) -> ssl.SSLSocket:
    """Connect with the server name of the place, whatever its address is."""
    context = ssl.create_default_context()
    context.check_hostname = False  # the question is whether this host serves, not whom it claims to be
    context.verify_mode = ssl.CERT_NONE
    plain = socket.create_connection((place.address, place.port), timeout=timeout)
    return context.wrap_socket(plain, server_hostname=place.host)


@dataclass(frozen=True)
class App:
    """What switching needs to know of an application."""

    folder: AppFolder
    account: str
    processes: int
    health_path: str
    start_timeout: int
    front: Place
    doors: dict[str, Place]
    program: str = "apache2"
    idle: str = "cold"
    drain_timeout: int = 60

    @property
    def preloads(self) -> set[str]:
        """The colours whose processes load the release when they start, live or not."""
        return set(COLOURS) if self.idle == "warm" else set()

    def socket(self, colour: str) -> str | None:
        """Return the path of a slot's socket; None when it cannot be told, as when Apache does not run."""
        uid = pwd.getpwnam(self.account).pw_uid
        for pid in self.pids(colour):
            return draining.sockets(processes.parent_of(pid), uid).get(colour)
        return None

    def pids(self, colour: str) -> set[int]:
        """Return the daemon processes of a slot.

        They are the account's own processes of Apache whose display name begins with the colour's letter; the rest of a
        long display name is cut off by the kernel.
        """
        uid = pwd.getpwnam(self.account).pw_uid
        return {
            pid
            for pid in processes.pids()
            if processes.owner(pid) == uid
            and processes.program(pid) == self.program
            and processes.command_line(pid).startswith(f"{colour[0]}-")
        }


@dataclass(frozen=True)
class Outcome:
    """What a switch did: whether traffic changed hands, the live slot, the seconds of each step, and the requests that
    were still in the old slot when the wait for them was given up. ``percent`` is the share of a canary.
    """

    changed: bool
    live: str
    seconds: dict[str, float]
    left: int = 0
    percent: float = 0.0


def bring_live(
    app: App,
    release: str,
    *,
    dry: bool = False,
    percent: int = 100,
    cross_contract: bool = False,
    what: str = "switched",
) -> Outcome:
    """Let the application's traffic, or ``percent`` of it, be served by ``release``; ``what`` is noted in the history.

    Raises SwitchError when the release is refused; the map then names the slot that it named before.
    """
    folder = app.folder
    live = folder.live()
    if live is None:
        raise SwitchError("the application was never deployed on this host")
    if folder.describe(release) is None:
        raise SwitchError(f"there is no release {release} in {folder.releases}")
    if folder.release_of(live) == release:
        if not dry:
            _within(app.start_timeout, lambda: _verify_front(app))
            return _finish(app, live, release)
        return Outcome(False, live, {}, percent=folder.canary_share())
    idle = other_than(live)
    events = history.read(folder)
    crossed = history.contract_between(events, release)
    if crossed is not None and not cross_contract:
        raise SwitchError(
            f"release {release} is from before the contract of release {crossed['release']} ({crossed['at']}), which"
            " may have removed what it needs; if it does work without, say cross_contract=true"
        )
    if dry:
        return Outcome(True, idle, {}, percent=percent if percent < 100 else 0.0)
    before = folder.release_of(live)
    seconds: dict[str, float] = {}
    if folder.canary_share() and folder.release_of(idle) != release:
        withdraw(app)
    begun = time.monotonic()
    if folder.release_of(idle) != release or not _all_healthy(app, idle, release, _pause_until(0)):
        _start(app, idle, release)
        seconds["start"] = round(time.monotonic() - begun, 3)
        begun = time.monotonic()
        for _ in range(WARM_UP_REQUESTS):
            ask(app.doors[idle], app.health_path)
        seconds["warm_up"] = round(time.monotonic() - begun, 3)
    else:
        seconds["check"] = round(time.monotonic() - begun, 3)
    begun = time.monotonic()
    shares = folder.slot_map.read_text()
    got = 0.0
    if percent < 100:
        got = folder.share_out(live, percent)
    else:
        folder.flip(idle)
    try:
        _within(2, lambda: _verify_front(app))
    except SwitchError:
        replace_text(folder.slot_map, shares, mode=0o644)
        folder.set_preloaded(app.preloads)
        raise
    seconds["flip"] = round(time.monotonic() - begun, 3)
    if percent < 100:
        folder.set_preloaded(app.preloads)
        history.append(folder, "canary", release, percent=got, seconds=seconds, **{"from": before})
        return Outcome(True, live, seconds, percent=got)
    history.append(folder, what, release, seconds=seconds, **{"from": before})
    drained = _retire(app, live)
    seconds["drain"] = drained.seconds
    return Outcome(True, idle, seconds, left=drained.left)


def withdraw(app: App) -> Outcome:
    """Let the live slot serve everything again, drain the canary, and stop it where it is to be cold."""
    live = app.folder.live()
    if live is None:
        raise SwitchError("the application was never deployed on this host")
    if not app.folder.canary_share():
        return Outcome(False, live, {})
    canary = app.folder.release_of(other_than(live))
    app.folder.flip(live)
    history.append(app.folder, "canary_withdrawn", str(canary))
    drained = _retire(app, other_than(live))
    return Outcome(True, live, {"drain": drained.seconds}, left=drained.left)


def _start(app: App, colour: str, release: str) -> None:
    """Let the idle slot run ``release``; if that fails, let it run what it ran before and raise SwitchError."""
    folder = app.folder
    former = folder.release_of(colour)
    try:
        folder.set_preloaded(app.preloads | {colour})
        folder.point(colour, release)
        _replace_processes(app, colour)
        if not _all_healthy(app, colour, release, _pause_until(app.start_timeout)):
            raise SwitchError(_why_unhealthy(app, colour, release))
    except (SwitchError, OSError):
        folder.set_preloaded(app.preloads)
        if former is not None and former != release and folder.describe(former) is not None:
            folder.point(colour, former)
        _end_processes(app, colour)
        raise


def _retire(app: App, colour: str) -> draining.Drained:
    """Wait for the last request of a slot that gets none any more; then end its processes, unless it is kept warm."""
    path = app.socket(colour)
    drained = draining.drain(path, app.drain_timeout) if path else draining.Drained(0.0, 0)
    app.folder.set_preloaded(app.preloads)
    if app.idle != "warm":
        # They end after their last request, in shutdown-timeout at most, and start again without the release.
        _end_processes(app, colour)
    return drained


def _finish(app: App, live: str, release: str) -> Outcome:
    """Complete what a run that was killed after its flip has left: the note of it, and the end of the old slot."""
    folder = app.folder
    last = history.last_made_live(history.read(folder))
    if last is None:
        history.append(folder, "deployed", release)
    elif last.get("release") != release:
        why = "found live; the run that had switched was interrupted"
        history.append(folder, "switched", release, why=why, **{"from": last.get("release")})
    if folder.canary_share():
        return Outcome(False, live, {}, percent=folder.canary_share())
    folder.set_preloaded(app.preloads)
    idle = other_than(live)
    flipped = folder.slot_map.stat().st_mtime
    # Start times are known to the second.
    if app.idle != "warm" and any(processes.start_clock(pid) < flipped - 2 for pid in app.pids(idle)):
        _retire(app, idle)
    return Outcome(False, live, {})


def _within(seconds: float, attempt: Callable[[], None]) -> None:
    """Call ``attempt`` until it does not raise SwitchError any more, or time is up."""
    for _ in _pause_until(seconds):
        try:
            attempt()
            return
        except SwitchError:
            continue
    attempt()


def _pause_until(seconds: float) -> Iterator[None]:
    """Yield at once and then in growing pauses: what takes long is not made faster by being asked all the time."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    yield
    while time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(1.0, pause * 1.2)
        yield


def _verify_front(app: App) -> None:
    answer = ask(app.front, app.health_path)
    if answer.status != 200:
        scheme = "https" if app.front.tls else "http"
        where = f"{scheme}://{app.front.host}:{app.front.port}{app.health_path}"
        raise SwitchError(f"key health: {where}, asked through the front, {answer}; it has to answer 200")


def _end_processes(app: App, colour: str) -> dict[int, int]:
    """Tell the slot's processes to end, each after its last request; return their ids with their start times.

    Apache starts others for them, and keeps the socket that requests wait in meanwhile.
    """
    old = {pid: processes.start_time(pid) for pid in app.pids(colour)}
    for pid in old:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
    return old


def _replace_processes(app: App, colour: str) -> None:
    """End the slot's processes, each after its last request, and wait until they are gone."""
    old = _end_processes(app, colour)
    for _ in _pause_until(90):
        if not any(processes.start_time(pid) == started for pid, started in old.items()):
            return
    raise SwitchError(f"processes {sorted(old)} of the idle slot {colour} did not end within 90 s")


def _all_healthy(app: App, colour: str, release: str, pauses: Iterator[None]) -> bool:
    """Return whether every process of a slot has answered its health path with 200 and the release's id."""
    for _ in pauses:
        answered: set[int] = set()
        with ThreadPoolExecutor(max_workers=min(32, app.processes * 2)) as pool:
            for _attempt in range(8):
                answers = list(pool.map(lambda _: ask(app.doors[colour], app.health_path), range(app.processes * 2)))
                if any(answer.status != 200 or answer.release != release for answer in answers):
                    break
                answered |= {answer.process for answer in answers}
                pids = app.pids(colour)
                if len(pids) >= app.processes and pids <= answered:
                    return True
    return False


def _why_unhealthy(app: App, colour: str, release: str) -> str:
    answer = ask(app.doors[colour], app.health_path)
    found = f"{answer}"
    if answer.status == 200 and answer.release != release:
        found = f"is answered by release {answer.release or '(none)'}"
    elif answer.status == 200:
        found = f"is answered by {len(app.pids(colour))} of {app.processes} processes"
    return (
        f"key health: {app.health_path} of release {release}, asked in the idle slot {colour}, {found} after"
        f" {app.start_timeout} s (start_timeout); the old release serves on"
    )
