"""Processes that die, hang or use up their memory: only their own requests are lost, and others start at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from load import summary
from load.run_folder import RunFolder
from switch_host import APP, SwitchHost, client_delay, wait_until
from switch_plugin import OnEachHost

BACK = 2.0
"""Seconds within which the service has to be back after processes were killed, beside the client's own delay."""
REQUESTS_INSIDE = 12
"""How many requests may be inside killed processes: one of each client of the load."""


def test_deaths(on_each_host: OnEachHost) -> None:
    """Kill a daemon process, all of a slot's, and one of Apache's own children."""

    def check_host(host: SwitchHost) -> None:
        colour = host.live(APP)[0]
        cases: dict[str, Callable[[], list[int]]] = {
            "kill -9 of a daemon process": lambda: host.daemons(APP, colour)[:1],
            "kill -9 of all of a slot's processes": lambda: host.daemons(APP, colour),
            "kill -9 of an Apache child": lambda: _apache_children(host)[:1],
        }
        for label, victims in cases.items():
            with host.load(label, may_fail=REQUESTS_INSIDE) as run:
                time.sleep(3)
                with run.window("fault", label):
                    pids = victims()
                    assert pids, f"{label}: there is none"
                    host.run("kill", "-9", *map(str, pids))
                    time.sleep(3)
                time.sleep(2)
            _expect_back(host, run, label)

    on_each_host(check_host)


def test_memory(on_each_host: OnEachHost) -> None:
    """Let the app allocate memory up to its limit: its processes are replaced, and no other client notices."""

    def check_host(host: SwitchHost) -> None:
        host.deploy(host.record(30, {"eat": True}))
        with host.load("memory", may_fail=REQUESTS_INSIDE) as run:
            before = host.all_daemons()
            with run.window("fault", "memory of an application exhausted"):
                command = f"for i in $(seq 40); do {_curl(host, '/eat?mb=20')}; done"
                completed = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
                # Each process ends after its last request, and one after the other.
                wait_until(lambda: not before <= host.all_daemons(), 60, "a process is replaced")
                time.sleep(15)
            after = host.all_daemons()
        statuses = completed.stdout.split()
        answers = ", ".join(f"{statuses.count(status)} x {status}" for status in sorted(set(statuses)))
        host.note(f"memory: the eater got {answers}; {len(before - after)} processes were replaced")
        _expect_back(host, run, "memory exhausted")

    on_each_host(check_host)


def test_hanging(on_each_host: OnEachHost) -> None:
    """Let requests hang: their processes are replaced, and other requests are answered all the time."""

    def check_host(host: SwitchHost) -> None:
        host.deploy(host.record(31, {"hang": True}))
        hanging = 12
        with host.load("hanging", may_fail=REQUESTS_INSIDE) as run:
            before = host.all_daemons()
            begun = time.monotonic()
            with run.window("fault", f"{hanging} requests that never end"):
                command = ["sh", "-c", _curl(host, "/hang")]
                clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(hanging)]
                statuses = {client.communicate()[0].strip() for client in clients}
            seconds = time.monotonic() - begun
            wait_until(lambda: not before <= host.all_daemons(), 120, "a process is replaced")
            replaced = time.monotonic() - begun
            time.sleep(10)
            after = host.all_daemons()
        assert statuses <= {"500", "502", "503", "504"}
        host.note(
            f"hanging: {hanging} requests ended within {seconds:.0f} s with {', '.join(sorted(statuses))};"
            f" {len(before - after)} processes were replaced, the first after {replaced:.0f} s"
        )
        _expect_back(host, run, "hanging requests")

    on_each_host(check_host)


def _curl(host: SwitchHost, path: str) -> str:
    """Return the shell command that sends one request and prints the status."""
    return f"curl -s -o /dev/null -m 200 -w '%{{http_code}} ' '{host.url}{path}'"


def _expect_back(host: SwitchHost, run: RunFolder, label: str) -> None:
    """Note the longest time without a good answer; fails when it is too long."""
    result = summary.summarize(run)
    silence = result.silence or 0.0
    host.note(f"{label}: back within {silence:.2f} s")
    assert silence <= BACK + client_delay(result), f"{label}: no good answer for {silence:.1f} s"


def _apache_children(host: SwitchHost) -> list[int]:
    rows = (line.split() for line in host.run("ps", "-u", "www-data", "-o", "pid=,comm=").splitlines())
    return [int(pid) for pid, command in rows if command == "apache2"]
