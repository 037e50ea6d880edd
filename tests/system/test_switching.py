"""Handing over traffic, with real processes that answer HTTP in place of Apache's daemon processes.

A supervisor keeps each slot's processes running, as Apache's parent does. It replaces a process that ends. A new
process runs the release that the slot's symlink then names. The front is a server that forwards by the slot map.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.step import Interrupted
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.switching import daemons, health, limits, switch
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import Apache, App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.pauses import pauses
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Place, ask
from ports import free_port

ACCOUNT = pwd.getpwuid(os.getuid()).pw_name

# Answers like a release: its folder says with which status, how late, and under which id.
# The signal that ends it may come at once. Until it has a handler, it imports only what is built in: Python can lose an
# interrupt that comes during an import.
DAEMON = """
import _signal, posix
_signal.signal(_signal.SIGINT, lambda number, frame: posix._exit(0))
import ctypes, json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
slot, port, program = sys.argv[1], int(sys.argv[2]), sys.argv[3]
ctypes.CDLL(None).prctl(15, program.encode())
release = json.load(open(os.path.join(slot, "RELEASE.json")))
time.sleep(release.get("late", 0))

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(release.get("status", 200))
        self.send_header("X-Grove-Release", release.get("says", release["id"]))
        self.send_header("X-Grove-Process", str(os.getpid()))
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args):
        pass

class Server(HTTPServer):
    def server_bind(self):
        import socket
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

Server(("127.0.0.1", port), Handler).serve_forever()
"""


class Slots:
    """Keeps the processes of both slots running, and forwards requests from the front."""

    def __init__(self, folder: AppFolder, count: int) -> None:
        self.folder = folder
        self.count = count
        self.program = f"grove-{os.getpid()}"[:15]
        self.apache = Apache(processes.program(os.getpid()), folder.path / "apache.pid")
        self.apache.pid_file.write_text(f"{os.getpid()}\n")
        self.ports = {colour: free_port() for colour in COLOURS}
        self.broken_front = ""
        self.running: dict[str, list[subprocess.Popen[bytes]]] = {colour: [] for colour in COLOURS}
        self.stopped = threading.Event()
        self.keeper = threading.Thread(target=self._keep)
        self.front = self._front()

    def _start(self, colour: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(f"{colour[0]}-shop", "-S", "-c", DAEMON),
                *(str(self.folder.slot(colour)), str(self.ports[colour]), self.program),
            ],
            executable=sys.executable,
            env={**os.environ, "PYTHONHOME": sys.base_prefix},
            stderr=subprocess.DEVNULL,
        )

    def _keep(self) -> None:
        while not self.stopped.wait(0.02):
            for colour in COLOURS:
                alive = [process for process in self.running[colour] if process.poll() is None]
                if self.folder.slot(colour).exists():
                    alive += [self._start(colour) for _ in range(self.count - len(alive))]
                self.running[colour] = alive

    def _front(self) -> ThreadingHTTPServer:
        slots = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                live = slots.folder.live()
                status = 500
                if live and live != slots.broken_front:
                    with contextlib.suppress(OSError):
                        status = get(slots.ports[live], self.path)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> Slots:
        # A shell lets what runs in its background ignore this signal, and the daemon processes would inherit that.
        self.handler = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.keeper.start()
        threading.Thread(target=self.front.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.handler)
        self.stopped.set()
        self.keeper.join()
        for process in [*self.running["blue"], *self.running["green"]]:
            process.kill()
            process.wait()
        self.front.shutdown()
        self.front.server_close()


def get(port: int, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def add_release(folder: AppFolder, identifier: str, **behaviour: object) -> None:
    folder.release(identifier).mkdir(parents=True)
    (folder.release(identifier) / "RELEASE.json").write_text(json.dumps({"id": identifier, **behaviour}))


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[Slots]:
    """Release ``one`` in both slots, blue live."""
    folder = AppFolder("shop", tmp_path / "shop")
    add_release(folder, "one")
    for colour in COLOURS:
        folder.point(colour, "one")
    folder.flip("blue")
    with Slots(folder, 2) as running:
        yield running


@pytest.fixture
def app(slots: Slots) -> App:
    new_app = App(
        folder=slots.folder,
        account=ACCOUNT,
        processes=slots.count,
        health_path="/",
        start_timeout=60,
        front=Place("127.0.0.1", slots.front.server_port, "127.0.0.1"),
        # The doors of an older configuration ask for no credential, and take no notice of one.
        doors={
            colour: Place("127.0.0.1", slots.ports[colour], f"{colour}.shop.door", credential="0" * 64)
            for colour in COLOURS
        },
        apache=slots.apache,
    )

    def is_up() -> bool:
        pids = [daemons.pids(new_app, colour) for colour in COLOURS]
        named = all(processes.program(pid) == slots.program for pid in set().union(*pids))
        return all(len(each) == 2 for each in pids) and named and get(slots.front.server_port, "/") == 200

    wait_until(is_up)
    return new_app


def refused(app: App, release: str) -> str:
    """Return why the switch was refused; the map and the live slot are as before."""
    with pytest.raises(SwitchError) as raised:
        switch.switch_to(app, release)
    assert app.folder.live() == "blue"
    assert app.folder.release_of("blue") == "one"
    return str(raised.value)


def count_seconds_from_answers(monkeypatch: pytest.MonkeyPatch, app: App, status: int, release: str) -> None:
    """Let the seconds of start_timeout begin when both processes of the idle slot give an answer, however late."""

    def both_answer() -> bool:
        answers = [ask(app.doors["green"], "/") for _ in range(12)]
        wanted = {answer.process for answer in answers if (answer.status, answer.release) == (status, release)}
        return len(wanted) == 2

    def late_pauses(seconds: float) -> Iterator[None]:
        if seconds:
            wait_until(both_answer)
        yield from pauses(seconds)

    monkeypatch.setattr(switch, "pauses", late_pauses)


def test_a_release_that_is_live_already_is_only_verified(app: App) -> None:
    before = {colour: daemons.pids(app, colour) for colour in COLOURS}
    outcome = switch.switch_to(app, "one")
    assert (outcome.changed, outcome.live) == (False, "blue")
    assert {colour: daemons.pids(app, colour) for colour in COLOURS} == before


def test_a_new_release_gets_the_traffic(app: App) -> None:
    add_release(app.folder, "two")
    before = {colour: daemons.pids(app, colour) for colour in COLOURS}
    outcome = switch.switch_to(app, "two")
    assert (outcome.changed, outcome.live) == (True, "green")
    assert set(outcome.seconds) == {"start", "warm_up", "flip", "drain"}
    assert app.folder.live() == "green"
    assert (app.folder.release_of("blue"), app.folder.release_of("green")) == ("one", "two")
    assert not daemons.pids(app, "green") & before["green"]
    assert ask(app.doors["green"], "/").release == "two"
    assert ask(app.front, "/").status == 200


def test_a_rollback_to_a_warm_slot_starts_no_processes(app: App) -> None:
    app = dataclasses.replace(app, idle="warm")
    add_release(app.folder, "two")
    switch.switch_to(app, "two")
    before = {colour: daemons.pids(app, colour) for colour in COLOURS}
    outcome = switch.switch_to(app, "one")
    assert (outcome.changed, outcome.live) == (True, "blue")
    assert {colour: daemons.pids(app, colour) for colour in COLOURS} == before


def test_a_dry_run_changes_nothing(app: App) -> None:
    add_release(app.folder, "two")
    before = {colour: daemons.pids(app, colour) for colour in COLOURS}
    outcome = switch.switch_to(app, "two", dry=True)
    assert (outcome.changed, outcome.live) == (True, "green")
    assert app.folder.live() == "blue"
    assert app.folder.release_of("green") == "one"
    assert {colour: daemons.pids(app, colour) for colour in COLOURS} == before


def test_an_unhealthy_release_is_refused(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    add_release(app.folder, "two", status=503)
    count_seconds_from_answers(monkeypatch, app, 503, "two")
    assert refused(dataclasses.replace(app, start_timeout=2), "two") == (
        "key health: / of release two, asked in the idle slot green, answered 503 after 2 s (start_timeout); the old"
        " release serves on"
    )


def test_a_release_that_answers_as_another_is_refused(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    add_release(app.folder, "two", says="three")
    count_seconds_from_answers(monkeypatch, app, 200, "three")
    assert refused(dataclasses.replace(app, start_timeout=2), "two") == (
        "key health: / of release two, asked in the idle slot green, is answered by release three after 2 s"
        " (start_timeout); the old release serves on"
    )


def test_a_release_that_does_not_come_up_in_time_is_refused(app: App) -> None:
    add_release(app.folder, "two", late=60)
    message = refused(dataclasses.replace(app, start_timeout=2), "two")
    assert message.startswith("key health: / of release two, asked in the idle slot green, gave no answer (Connection")
    assert message.endswith(" after 2 s (start_timeout); the old release serves on")


def test_too_few_processes_are_refused(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    add_release(app.folder, "two")
    count_seconds_from_answers(monkeypatch, app, 200, "two")
    assert refused(dataclasses.replace(app, start_timeout=2, processes=3), "two") == (
        "key health: / of release two, asked in the idle slot green, is answered by 2 of 3 processes after 2 s"
        " (start_timeout); the old release serves on"
    )


def test_a_front_that_fails_gets_the_old_slot_back(app: App, slots: Slots) -> None:
    add_release(app.folder, "two")
    slots.broken_front = "green"
    port = slots.front.server_port
    assert refused(app, "two") == (
        f"key health: http://127.0.0.1:{port}/, asked through the front, answered 500; it has to answer 200"
    )
    assert_idle_slot_is_restored(app)


def assert_idle_slot_is_restored(app: App) -> None:
    """Blue serves alone, and green is idle with release ``one``, as before the switch."""
    assert app.folder.slot_map.read_text() == "live shop-blue\n"
    assert app.folder.release_of("green") == "one"
    assert not app.folder.preload.exists()
    wait_until(lambda: ask(app.doors["green"], "/").release == "one" and len(daemons.pids(app, "green")) == 2)
    assert ask(app.front, "/").status == 200


def test_a_canary_that_fails_through_the_front_gives_its_slot_back(app: App, slots: Slots) -> None:
    add_release(app.folder, "two")
    slots.broken_front = "blue"
    with pytest.raises(SwitchError):
        switch.switch_to(app, "two", percent=25)
    slots.broken_front = ""
    assert_idle_slot_is_restored(app)


def test_a_canary_that_cannot_be_promoted_goes_on_as_it_was(app: App, slots: Slots) -> None:
    add_release(app.folder, "two")
    switch.switch_to(app, "two", percent=25)
    before = app.folder.slot_map.read_text(), daemons.pids(app, "green")
    slots.broken_front = "green"
    with pytest.raises(SwitchError):
        switch.switch_to(app, "two")
    assert (app.folder.slot_map.read_text(), daemons.pids(app, "green")) == before
    assert app.folder.release_of("green") == "two"


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted, OSError])
def test_what_interrupts_a_switch_before_it_is_verified_gets_it_undone(
    app: App, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupt(_app: App) -> None:
        assert app.folder.live() == "green"
        raise error("now")

    add_release(app.folder, "two")
    monkeypatch.setattr(health, "verify_front", interrupt)
    with pytest.raises(error):
        switch.switch_to(app, "two")
    assert_idle_slot_is_restored(app)
    assert whats(app) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted])
def test_a_signal_while_a_refused_release_is_withdrawn_does_not_leave_it_in_its_slot(
    app: App, slots: Slots, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    waits = []

    def interrupt(_app: App, colour: str) -> None:
        waits.append((colour, app.folder.live(), app.folder.release_of("green")))
        raise error("now")

    add_release(app.folder, "two")
    slots.broken_front = "green"
    monkeypatch.setattr(switch, "_drain", interrupt)
    refused(app, "two")
    assert waits == [("green", "blue", "one")]
    assert_idle_slot_is_restored(app)


def test_a_full_disk_does_not_keep_the_traffic_on_a_refused_release(
    app: App, slots: Slots, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def break_front(_app: App) -> None:
        monkeypatch.setattr(switch, "replace_text", refuse)
        monkeypatch.setattr(AppFolder, "set_preloaded", refuse)
        raise SwitchError("key health: the front answered 500")

    add_release(app.folder, "two")
    before = daemons.pids(app, "green")
    monkeypatch.setattr(health, "verify_front", break_front)
    assert "is full" in refused(app, "two")
    monkeypatch.undo()
    app.folder.set_preloaded(set())
    assert not before & daemons.pids(app, "green")
    assert_idle_slot_is_restored(app)


def test_a_history_that_cannot_be_written_does_not_hide_that_the_release_is_live(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    add_release(app.folder, "two")
    with monkeypatch.context() as broken:
        broken.setattr(history, "append", refuse)
        with pytest.raises(SwitchError, match=r"^release two is live"):
            switch.switch_to(app, "two")
    assert switch.switch_to(app, "two").live == "green"
    assert whats(app) == ["deployed"]


def test_requests_in_a_refused_slot_are_answered_before_it_ends(app: App, slots: Slots, tmp_path: Path) -> None:
    """A socket with mod_wsgi's name stands for the slot's: its open connection is the request."""
    uid = pwd.getpwnam(app.account).pw_uid
    with contextlib.ExitStack() as stack:
        listening = {}
        for number, colour in enumerate(COLOURS, start=1):
            listening[colour] = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening[colour].bind(str(tmp_path / f"wsgi.{os.getpid()}.u{uid}.{number}.sock"))
            listening[colour].listen()
        request = stack.enter_context(socket.socket(socket.AF_UNIX))
        request.connect(listening["green"].getsockname())
        accepted, _ = listening["green"].accept()
        add_release(app.folder, "two")
        slots.broken_front = "green"
        while_draining: list[tuple[str | None, set[int]]] = []

        def answer() -> None:
            wait_until(lambda: app.folder.live() == "green", 60)
            wait_until(lambda: app.folder.live() == "blue", 60)
            wait_until(lambda: app.folder.release_of("green") == "one", 60)
            time.sleep(limits.QUIET_SECONDS * 2)
            while_draining.append((app.folder.release_of("green"), daemons.pids(app, "green")))
            accepted.close()

        client = threading.Thread(target=answer)
        client.start()
        refused(app, "two")
        client.join()
    release, old = while_draining[0]
    assert (release, len(old)) == ("one", 2)
    wait_until(lambda: not old & daemons.pids(app, "green"))
    assert_idle_slot_is_restored(app)


def test_a_live_release_that_does_not_answer_fails_loudly(app: App, slots: Slots) -> None:
    slots.broken_front = "blue"
    with pytest.raises(SwitchError, match="asked through the front, answered 500; it has to answer 200"):
        switch.switch_to(dataclasses.replace(app, start_timeout=1), "one")


def test_applications_that_start_together_get_more_time(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.2)
    impatient = dataclasses.replace(app, start_timeout=1)
    pids = daemons.pids(app, "blue")

    def send(number: signal.Signals) -> None:
        for pid in pids:
            os.kill(pid, number)

    send(signal.SIGSTOP)
    with pytest.raises(SwitchError, match="asked through the front, gave no answer"):
        switch.switch_to(impatient, "one")
    resume = threading.Timer(2, send, [signal.SIGCONT])
    resume.start()
    try:
        assert switch.switch_to(impatient, "one", starting=60).live == "blue"
    finally:
        resume.join()


def test_a_wrong_answer_gets_no_more_time_beside_others(app: App, slots: Slots) -> None:
    slots.broken_front = "blue"
    begun = time.monotonic()
    with pytest.raises(SwitchError, match="answered 500"):
        switch.switch_to(dataclasses.replace(app, start_timeout=1), "one", starting=60)
    assert time.monotonic() - begun < 30


def test_what_was_never_built_or_deployed(app: App) -> None:
    assert refused(app, "none") == f"there is no release none in {app.folder.releases}"
    app.folder.slot_map.unlink()
    with pytest.raises(SwitchError, match=r"^the application was never deployed on this host$"):
        switch.switch_to(app, "one")


def test_an_interrupted_switch_is_finished_by_the_next(app: App) -> None:
    add_release(app.folder, "two")
    app.folder.point("green", "two")
    for pid in daemons.pids(app, "green"):
        os.kill(pid, signal.SIGINT)
    assert switch.switch_to(app, "two").live == "green"


def stranger(app: App, title: str) -> subprocess.Popen[str]:
    """Start a process of the same account, program and title as the slot's, whose parent is not Apache.

    It writes ``interrupted`` when it gets SIGINT.
    """
    program = processes.program(next(iter(daemons.pids(app, "green"))))
    script = (
        "import ctypes, signal, sys\n"
        f"ctypes.CDLL(None).prctl(15, {program!r}.encode())\n"
        "signal.signal(signal.SIGINT, lambda *_: print('interrupted', flush=True))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    # A shell in between, as there is a container's Apache.
    process = subprocess.Popen(
        ["bash", "-c", f'(exec -a {title} "$0" -c "$1"); true', sys.executable, script],
        env={**os.environ, "PYTHONHOME": sys.base_prefix},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_process_that_is_no_child_of_apache_is_neither_counted_nor_signalled(app: App, slots: Slots) -> None:
    add_release(app.folder, "two")
    process = stranger(app, "g-shop")
    child = next(pid for pid in processes.pids() if processes.parent_of(pid) == process.pid)
    mine = next(iter(daemons.pids(app, "green")))
    assert processes.command_line(child).startswith("g-shop ")
    assert (processes.owner(child), processes.program(child)) == (processes.owner(mine), processes.program(mine))
    for colour in COLOURS:
        assert daemons.pids(app, colour) == {process.pid for process in slots.running[colour]}
    assert switch.switch_to(app, "two").live == "green"
    output, _ = process.communicate()
    assert output == ""


def test_which_apache_is_this_host_s(app: App) -> None:
    assert len(daemons.pids(app, "blue")) == 2
    other = dataclasses.replace(app, apache=Apache("apache2-none", app.apache.pid_file))
    assert daemons.pids(other, "blue") == set()
    missing = dataclasses.replace(app, apache=Apache(app.apache.program, app.folder.path / "none.pid"))
    assert daemons.pids(missing, "blue") == set()
    assert daemons.pids(dataclasses.replace(app, account="nobody"), "blue") == set()
    with pytest.raises(SwitchError):
        daemons.pids(dataclasses.replace(app, account="no-such-account"), "blue")


def test_no_answer_is_an_answer_with_the_reason() -> None:
    answer = ask(Place("127.0.0.1", free_port(), "localhost"), "/", timeout=1)
    assert answer.status == 0
    assert str(answer) == "gave no answer (Connection refused)"
    assert ask(Place("[::1]", free_port(), "localhost"), "/", timeout=1).status == 0


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def whats(app: App) -> list[str]:
    return [event["what"] for event in history.read(app.folder)]


def test_a_cold_slot_is_ended_after_the_switch_and_a_warm_one_is_not(app: App) -> None:
    add_release(app.folder, "two")
    before = daemons.pids(app, "blue")
    switch.switch_to(app, "two")
    wait_until(lambda: len(daemons.pids(app, "blue")) == 2 and not daemons.pids(app, "blue") & before)
    assert not app.folder.preload.exists()
    warm = dataclasses.replace(app, idle="warm")
    before = daemons.pids(app, "green")
    switch.switch_to(warm, "one")
    assert daemons.pids(app, "green") == before
    assert app.folder.preload.read_text() == "blue green\n"
    assert whats(app) == ["switched", "switched"]


def test_a_refused_release_leaves_the_idle_slot_as_it_was(app: App) -> None:
    add_release(app.folder, "two", status=503)
    refused(dataclasses.replace(app, start_timeout=1), "two")
    assert app.folder.release_of("green") == "one"
    assert not app.folder.preload.exists()
    wait_until(lambda: ask(app.doors["green"], "/").release == "one")


def test_a_canary_is_shared_out_promoted_and_withdrawn(app: App) -> None:
    add_release(app.folder, "two")
    outcome = switch.switch_to(app, "two", percent=25)
    assert (outcome.changed, outcome.live, outcome.percent) == (True, "blue", 25.0)
    assert app.folder.slot_map.read_text() == "live shop-blue|shop-blue|shop-blue|shop-green\n"
    assert app.folder.canary_share() == 25.0
    canary = daemons.pids(app, "green")
    assert switch.switch_to(app, "one").percent == 25.0
    assert app.folder.canary_share() == 25.0
    assert switch.switch_to(app, "two").live == "green"
    assert daemons.pids(app, "green") == canary
    assert app.folder.slot_map.read_text() == "live shop-green\n"
    switch.switch_to(app, "one", percent=50)
    withdrawn = switch.withdraw(app)
    assert (withdrawn.changed, withdrawn.live) == (True, "green")
    assert app.folder.slot_map.read_text() == "live shop-green\n"
    assert not switch.withdraw(app).changed
    assert whats(app) == ["canary", "deployed", "switched", "canary", "canary_withdrawn"]


def test_another_release_takes_the_place_of_a_canary(app: App) -> None:
    add_release(app.folder, "two")
    add_release(app.folder, "three")
    switch.switch_to(app, "two", percent=10)
    assert switch.switch_to(app, "three").live == "green"
    assert app.folder.slot_map.read_text() == "live shop-green\n"
    assert whats(app) == ["canary", "canary_withdrawn", "switched"]


def test_the_way_back_stops_at_a_contract(app: App) -> None:
    add_release(app.folder, "two")
    switch.switch_to(app, "two")
    history.append(app.folder, "contracted", "two")
    with pytest.raises(SwitchError, match=r"^release one is from before the contract of release two \(20"):
        switch.switch_to(app, "one")
    assert app.folder.live() == "green"
    assert switch.switch_to(app, "one", cross_contract=True).live == "blue"


def test_a_killed_switch_is_completed(app: App) -> None:
    add_release(app.folder, "two")
    switch.switch_to(dataclasses.replace(app, idle="warm"), "two")
    (app.folder.path / history.NAME).unlink()
    history.append(app.folder, "deployed", "one")
    later = time.time() + 10
    os.utime(app.folder.slot_map, (later, later))
    before = daemons.pids(app, "blue")
    assert not switch.switch_to(app, "two").changed
    assert history.read(app.folder)[-1]["why"] == "found live; the run that had switched was interrupted"
    wait_until(lambda: len(daemons.pids(app, "blue")) == 2 and not daemons.pids(app, "blue") & before)
    assert not app.folder.preload.exists()
