"""Which inherited descriptors of a daemon process stay, and in whose place."""

from __future__ import annotations

import dataclasses
import os
import socket
from pathlib import Path

import grove_daemon
import pytest
from grove_daemon import Descriptor, Plan, plan

OWN, ROOT, OTHER = 990, 0, 991
HOME = "/usr/local/lib/grove/cpython-311"
SOCKET = Descriptor(13, "unix", "/run/apache2/wsgi.70.u990.3.sock", ROOT)
OWN_LOG = Descriptor(8, "pipe", "1:80", OWN, reads=False)
# What Apache's parent has, as of two applications on a host.
INHERITED = [
    Descriptor(0, "device", "/dev/null", ROOT),
    Descriptor(1, "device", "/dev/null", ROOT),
    Descriptor(2, "pipe", "1:20", ROOT, reads=False),
    Descriptor(4, "pipe", "1:40", ROOT, writes=False),
    Descriptor(5, "pipe", "1:40", ROOT, reads=False),
    Descriptor(7, "pipe", "1:70", OTHER, reads=False),
    OWN_LOG,
    Descriptor(9, "pipe", "1:20", ROOT, reads=False),
    SOCKET,
    Descriptor(14, "file", "/run/apache2/wsgi.70.0.3.lock (deleted)", ROOT),
    Descriptor(15, "pipe", "1:15", OWN, writes=False),
    Descriptor(16, "pipe", "1:15", OWN, reads=False),
    Descriptor(17, "file", f"{HOME}/lib/python3.11/site-packages/grove_daemon.pth", ROOT),
    Descriptor(18, "other", "anon_inode:[eventpoll]", ROOT),
]


def test_pipes_of_error_logs_become_the_own_one_and_access_logs_become_null() -> None:
    assert plan(INHERITED, OWN, HOME) == Plan(own_log=8, to_log=[2, 7, 9], to_null=[4, 5])


@pytest.mark.parametrize(
    "foreign",
    [
        Descriptor(30, "file", "/run/apache2/wsgi.70.0.4.lock (deleted)", ROOT),
        Descriptor(30, "file", "/var/log/apache2/other-access.log", ROOT),
        Descriptor(30, "file", "/var/lib/other/secret", OTHER),
        # A file of the account that is open already is not one that this process has opened.
        Descriptor(30, "file", "/var/lib/shop/data", OWN),
        Descriptor(30, "file", f"{HOME}-other/file", ROOT),
        Descriptor(30, "device", "/dev/pts/0", ROOT),
        Descriptor(30, "socket", "", ROOT),
        Descriptor(30, "socket", "", OTHER),
        Descriptor(30, "unix", "/run/other.sock", ROOT),
    ],
)
def test_what_is_not_the_processes_own_goes(foreign: Descriptor) -> None:
    result = plan([*INHERITED, foreign], OWN, HOME)
    assert result is not None
    assert result.to_null == [4, 5, 30]


@pytest.mark.parametrize(
    "own", [Descriptor(30, "socket", "", OWN), Descriptor(30, "device", "/dev/urandom", ROOT)], ids=lambda one: one.kind
)
def test_what_is_the_processes_own_stays(own: Descriptor) -> None:
    result = plan([*INHERITED, own], OWN, HOME)
    assert result is not None
    assert result.to_null == [4, 5]


def test_without_a_log_of_its_own_a_process_is_given_none() -> None:
    ownerless = [dataclasses.replace(one, owner=ROOT) if one == OWN_LOG else one for one in INHERITED]
    result = plan(ownerless, OWN, HOME)
    assert result is not None
    assert (result.own_log, result.to_log) == (None, [2, 7, 8, 9])


@pytest.mark.parametrize(
    ("descriptors", "uid"),
    [
        # Apache's own processes have its ports; they keep what they have.
        ([*INHERITED, Descriptor(3, "tcp", "('0.0.0.0', 8080)", ROOT)], OWN),
        # No process of a group: a program that somebody starts with this Python.
        ([one for one in INHERITED if one != SOCKET], OWN),
        (INHERITED, ROOT),
    ],
)
def test_other_processes_are_left_alone(descriptors: list[Descriptor], uid: int) -> None:
    assert plan(descriptors, uid, HOME) is None


def test_the_open_files_of_this_process(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket() as plain:
        unix.bind(str(tmp_path / "wsgi.1.u1.1.sock"))
        unix.listen()
        with (tmp_path / "file").open("w") as file:
            table = {one.number: one for one in grove_daemon.read_descriptors()}
            kinds = [table[each.fileno()].kind for each in (unix, tcp, plain, file)]
        assert kinds == ["unix", "tcp", "socket", "file"]
        assert table[unix.fileno()].name == str(tmp_path / "wsgi.1.u1.1.sock")
    assert (table[reading].kind, table[reading].reads, table[reading].writes) == ("pipe", True, False)
    assert (table[writing].kind, table[writing].reads, table[writing].writes) == ("pipe", False, True)
    assert table[reading].name == table[writing].name
    assert table[reading].owner == os.geteuid()
    os.close(reading)
    os.close(writing)
