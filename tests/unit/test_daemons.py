"""The slot of a daemon process, with real processes that hold sockets as mod_wsgi's do.

The test's own process stands for Apache's parent. Its children hold their own slot's socket; one that is starting holds
the other slot's too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.switching import daemons, limits
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import Apache, App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import Answer, Place
from child_programs import wait_for

NOBODY = Place("127.0.0.1", 1, "shop.door")


@pytest.fixture
def app(tmp_path: Path) -> App:
    pid_file = tmp_path / "apache.pid"
    pid_file.write_text(f"{os.getpid()}\n")
    return App(
        folder=AppFolder("shop-with-a-long-name", tmp_path / "shop"),
        account=pwd.getpwuid(os.getuid()).pw_name,
        processes=1,
        health_path="/",
        start_timeout=1,
        front=NOBODY,
        doors={"blue": NOBODY, "green": NOBODY},
        apache=Apache(processes.program(os.getpid()), pid_file),
    )


Start = Callable[..., int]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a child with a title and with sockets; return its process id."""
    with contextlib.ExitStack() as stack:

        def start(title: str, *sockets: socket.socket) -> int:
            handles = [each.fileno() for each in sockets]
            process = subprocess.Popen([title, "60"], executable="/bin/sleep", pass_fds=handles)
            stack.callback(process.wait)
            stack.callback(process.kill)
            wait_for(process.pid, f"{title} 60")
            return process.pid

        yield start


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[list[socket.socket]]:
    """The sockets of the blue and the green slot."""
    with contextlib.ExitStack() as stack:
        listening_sockets = []
        for number in (9, 10):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(str(tmp_path / f"wsgi.{os.getpid()}.u{os.getuid()}.{number}.sock"))
            listening.listen()
            listening_sockets.append(listening)
        yield listening_sockets


def test_a_single_socket_tells_the_slot_whatever_the_title_is(
    app: App, start: Start, sockets: list[socket.socket]
) -> None:
    blue, green = start("api: worker", sockets[0]), start("b-shop", sockets[1])
    assert daemons.pids(app, "blue") == {blue}
    assert daemons.pids(app, "green") == {green}


def test_old_and_new_processes_are_of_their_slot_while_apache_reloads(
    app: App, start: Start, sockets: list[socket.socket]
) -> None:
    old = start("api: worker", sockets[0])
    path = sockets[0].getsockname()
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as second:
        second.bind(path)
        second.listen()
        new = start("api: worker", second)
        assert daemons.pids(app, "blue") == {old, new}


def test_the_title_tells_the_slot_of_a_process_that_starts_with_both_sockets(
    app: App, start: Start, sockets: list[socket.socket]
) -> None:
    blue, green = start("b-shop", *sockets), start("g-shop", *sockets)
    assert daemons.pids(app, "blue") == {blue}
    assert daemons.pids(app, "green") == {green}


def test_without_sockets_the_title_tells_the_slot_even_if_it_was_cut_off(app: App, start: Start) -> None:
    blue, green = start("b-shop-with-a-lon"), start("g-shop-with-a-long-name")
    start("b-bookstore")
    start("b-")
    assert daemons.pids(app, "blue") == {blue}
    assert daemons.pids(app, "green") == {green}


def test_a_process_with_neither_is_of_the_slot_through_whose_door_it_answers(app: App, start: Start) -> None:
    green, unknown = start("g-shop"), start("api: worker")
    assert daemons.pids(app, "blue") == set()
    assert daemons.pids(app, "blue", {green, unknown, os.getpid()}) == {unknown}


def test_only_the_slot_s_processes_are_told_to_end(app: App, start: Start, sockets: list[socket.socket]) -> None:
    blue, green = start("b-shop", sockets[0]), start("g-shop", sockets[1])
    assert set(daemons.end(app, "blue")) == {blue}
    assert os.WTERMSIG(os.waitpid(blue, 0)[1]) == signal.SIGINT
    assert daemons.pids(app, "green") == {green}


def test_apache_is_woken_when_all_processes_of_the_slot_have_ended(
    app: App, start: Start, sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    blue, green = [start("b-shop", sockets[0]) for _ in range(2)], start("g-shop", sockets[1])
    woken: list[list[bool]] = []

    def wake(_number: int, _frame: FrameType | None) -> None:
        woken.append([processes.has_ended(pid) for pid in blue])
        for pid in blue:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)

    monkeypatch.setattr(limits, "END_SECONDS", 20)
    former = signal.signal(signal.SIGCONT, wake)
    try:
        daemons.replace(app, "blue")
    finally:
        signal.signal(signal.SIGCONT, former)
    assert woken[0] == [True, True]
    assert not any(processes.start_time(pid) for pid in blue)
    assert daemons.pids(app, "green") == {green}


def test_a_slot_that_does_not_answer_is_not_asked_for_minutes(
    app: App, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = []

    def hang(place: Place, path: str) -> Answer:
        requests.append(place)
        return Answer(0, error="timed out")

    monkeypatch.setattr(daemons, "ask", hang)
    app = dataclasses.replace(app, processes=8)
    start("api: worker")
    assert daemons.end(app, "blue") == {}
    assert len(requests) == 16


def test_the_socket_of_a_slot(app: App, sockets: list[socket.socket]) -> None:
    assert daemons.socket_of(app, "green") == sockets[1].getsockname()
    app.apache.pid_file.unlink()
    assert daemons.socket_of(app, "green") is None
