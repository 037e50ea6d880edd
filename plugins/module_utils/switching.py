"""Handing the traffic of an application to a release: idle slot, doors, flip, and the way back.

The order, and why each step is there, is in the design: point the idle slot, replace its processes, wait until every
one of them answers healthy with the new release's id through its door, warm it, flip the map by rename, verify through
the front, and flip back when that fails.
"""

from __future__ import annotations

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

from ansible_collections.grove.wsgi.plugins.module_utils import processes
from ansible_collections.grove.wsgi.plugins.module_utils.app_folder import AppFolder

RELEASE_HEADER = "X-Grove-Release"
PROCESS_HEADER = "X-Grove-Process"
WARM_UP_REQUESTS = 20


class SwitchError(Exception):
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
    """What a switch did: whether traffic changed hands, the live slot, and the seconds of each step."""

    changed: bool
    live: str
    seconds: dict[str, float]


def bring_live(app: App, release: str, *, dry: bool = False) -> Outcome:
    """Let the application's traffic be served by ``release``.

    Raises SwitchError when the release is refused; the map then names the slot that it named before.
    """
    seconds: dict[str, float] = {}
    live = app.folder.live()
    if live is None:
        raise SwitchError("the application was never deployed on this host")
    if app.folder.describe(release) is None:
        raise SwitchError(f"there is no release {release} in {app.folder.releases}")
    if app.folder.release_of(live) == release:
        if not dry:
            _within(app.start_timeout, lambda: _verify_front(app))
        return Outcome(False, live, seconds)
    idle = "green" if live == "blue" else "blue"
    if dry:
        return Outcome(True, idle, seconds)
    begun = time.monotonic()
    if app.folder.release_of(idle) != release or not _all_healthy(app, idle, release, _pause_until(0)):
        app.folder.point(idle, release)
        _replace_processes(app, idle)
        if not _all_healthy(app, idle, release, _pause_until(app.start_timeout)):
            raise SwitchError(_why_unhealthy(app, idle, release))
    seconds["start"] = round(time.monotonic() - begun, 3)
    begun = time.monotonic()
    for _ in range(WARM_UP_REQUESTS):
        ask(app.doors[idle], app.health_path)
    seconds["warm_up"] = round(time.monotonic() - begun, 3)
    begun = time.monotonic()
    app.folder.flip(idle)
    try:
        _within(2, lambda: _verify_front(app))
    except SwitchError:
        app.folder.flip(live)
        raise
    seconds["flip"] = round(time.monotonic() - begun, 3)
    return Outcome(True, idle, seconds)


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
    deadline = time.monotonic() + seconds
    yield
    while time.monotonic() < deadline:
        time.sleep(0.05)
        yield


def _verify_front(app: App) -> None:
    answer = ask(app.front, app.health_path)
    if answer.status != 200:
        scheme = "https" if app.front.tls else "http"
        where = f"{scheme}://{app.front.host}:{app.front.port}{app.health_path}"
        raise SwitchError(f"key health: {where}, asked through the front, {answer}; it has to answer 200")


def _replace_processes(app: App, colour: str) -> None:
    """End the slot's processes, each after its last request, and wait until they are gone."""
    old = {pid: processes.start_time(pid) for pid in app.pids(colour)}
    for pid in old:
        try:
            os.kill(pid, signal.SIGINT)
        except ProcessLookupError:
            continue
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
