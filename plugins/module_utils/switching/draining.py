"""Which requests a slot still has: the connections of Apache's processes to the slot's Unix socket.

mod_wsgi opens one connection a request, and closes it after the answer. The kernel lists both ends of a connection. The
end of the daemon process has the path of the socket that accepted it, or in which it waits to be accepted. The table
therefore gives the number of requests, and needs no right to look into other accounts' processes.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.switching import limits

LISTENING = 0x10000


@dataclass(frozen=True)
class Drained:
    """How a slot was drained: the seconds it took, and the requests that were left when time was up."""

    seconds: float
    left: int


@dataclass(frozen=True)
class Socket:
    """A slot's Unix socket: its path, and the inodes by which the kernel and the processes that hold it name it.

    After a graceful reload of Apache there is a second one of the same path, until the last old process has ended.
    """

    path: str
    inodes: frozenset[int]


def sockets(parent: int, uid: int, table: str | None = None) -> dict[str, Socket]:
    """Return each slot's socket by colour, for the Apache ``parent`` and the account's ``uid``.

    mod_wsgi names them after both, and after the place of the group among all; blue is declared before green. Empty
    when there are no such two sockets.
    """
    name = re.compile(rf"/wsgi\.{parent}\.u{uid}\.(\d+)\.sock$")
    by_place: dict[int, Socket] = {}
    for row in _rows(table):
        match = name.search(row.path)
        if match and row.listening:
            place = int(match.group(1))
            known = by_place[place].inodes if place in by_place else frozenset()
            by_place[place] = Socket(row.path, known | {row.inode})
    if len(by_place) != len(COLOURS):
        return {}
    return {colour: by_place[place] for colour, place in zip(COLOURS, sorted(by_place), strict=True)}


def has_sockets(uid: int, table: str | None = None) -> bool:
    """Return whether any Apache that this host can see has a process group of the account with this ``uid``."""
    name = re.compile(rf"/wsgi\.\d+\.u{uid}\.\d+\.sock$")
    return any(row.listening and name.search(row.path) for row in _rows(table))


def in_flight(path: str, table: str | None = None) -> int:
    """Return how many requests are in a socket's processes or waiting in front of them."""
    return sum(1 for row in _rows(table) if row.path == path and not row.listening)


def drain(path: str, timeout: float) -> Drained:
    """Wait until there was no request for a moment, for ``timeout`` seconds at most."""
    begun = time.monotonic()
    quiet_since: float | None = None
    while True:
        now = time.monotonic()
        left = in_flight(path)
        if left:
            quiet_since = None
        elif quiet_since is None:
            quiet_since = time.monotonic()
        elif now - quiet_since >= limits.QUIET_SECONDS:
            return Drained(round(quiet_since - begun, 3), 0)
        if now - begun >= timeout and left:
            return Drained(round(now - begun, 3), left)
        time.sleep(limits.DRAIN_POLL_SECONDS)


@dataclass(frozen=True)
class _Row:
    path: str
    inode: int
    listening: bool


def _rows(table: str | None) -> list[_Row]:
    """Read the named sockets out of the kernel's table (the one of this host without ``table``)."""
    rows = []
    for line in (processes.unix_sockets() if table is None else table).splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8:
            rows.append(_Row(fields[7], int(fields[6]), bool(int(fields[3], 16) & LISTENING)))
    return rows
