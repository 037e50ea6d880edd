"""Requests in a slot, counted from the kernel's table with real sockets that bear mod_wsgi's names."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.switching import draining, limits

PARENT = 4711


@pytest.fixture
def slots(tmp_path: Path) -> Iterator[dict[str, socket.socket]]:
    """The listening sockets of a slot pair, and of an unrelated application."""
    with ExitStack() as stack:
        named_sockets = {}
        for number, (name, uid) in enumerate([("other", 998), ("blue", 997), ("green", 997)], start=9):
            listening = stack.enter_context(socket.socket(socket.AF_UNIX))
            listening.bind(str(tmp_path / f"wsgi.{PARENT}.u{uid}.{number}.sock"))
            listening.listen(10)
            named_sockets[name] = listening
        yield named_sockets


def connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    return client


def test_slots_are_known_by_their_sockets(slots: dict[str, socket.socket], tmp_path: Path) -> None:
    paths = {colour: socket.path for colour, socket in draining.sockets(PARENT, 997).items()}
    assert paths == {
        "blue": f"{tmp_path}/wsgi.{PARENT}.u997.10.sock",
        "green": f"{tmp_path}/wsgi.{PARENT}.u997.11.sock",
    }
    assert draining.sockets(PARENT, 998) == {}
    assert draining.sockets(PARENT + 1, 997) == {}


def test_accepted_and_waiting_requests_count(slots: dict[str, socket.socket]) -> None:
    blue = slots["blue"].getsockname()
    assert draining.in_flight(blue) == 0
    with connect(blue), connect(blue), connect(slots["green"].getsockname()):
        assert draining.in_flight(blue) == 2
        accepted, _ = slots["blue"].accept()
        with accepted:
            assert draining.in_flight(blue) == 2
        assert draining.in_flight(blue) == 1
    slots["blue"].accept()[0].close()
    assert draining.in_flight(blue) == 0


def test_a_drain_waits_for_the_last_request(slots: dict[str, socket.socket]) -> None:
    blue = slots["blue"].getsockname()
    client = connect(blue)
    accepted, _ = slots["blue"].accept()
    answered = []

    def answer() -> None:
        answered.append(time.monotonic())
        accepted.close()

    threading.Timer(0.5, answer).start()
    drained = draining.drain(blue, 60)
    ended = time.monotonic()
    client.close()
    assert drained.left == 0
    assert ended - answered[0] >= limits.QUIET_SECONDS
    assert 0 < drained.seconds < 60


def test_a_drain_ends_when_its_time_is_up(slots: dict[str, socket.socket]) -> None:
    blue = slots["blue"].getsockname()
    with connect(blue):
        drained = draining.drain(blue, 0.2)
    assert drained.left == 1
    assert 0.2 <= drained.seconds < 60


def test_an_unnamed_socket_is_no_request() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert draining.in_flight("") == 0
    assert os.path.exists("/proc/net/unix")
