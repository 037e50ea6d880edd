"""Which requests a slot still has: the connections of Apache's processes to the slot's Unix socket.

mod_wsgi opens one connection a request, and closes it after the answer. The kernel lists both ends of it, and the end
of the daemon process bears the path of the socket that it was accepted from (or waits in, which counts as well). So the
table says how many requests there are, without a look into processes that may not be looked into.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes

LISTENING = 0x10000
SETTLED = 0.3
"""Seconds without a request after which a slot is drained: a worker of Apache may have read the old map just before."""


@dataclass(frozen=True)
class Drained:
    """How a slot was drained: the seconds it took, and the requests that were left when time was up."""

    seconds: float
    left: int


def sockets(parent: int, uid: int, table: str | None = None) -> dict[str, str]:
    """Return the path of each slot's socket by colour, for the Apache ``parent`` and the account's ``uid``.

    mod_wsgi names them after both, and after the place of the group among all; blue is declared before green. Empty
    when there are no such two sockets.
    """
    text = processes.unix_sockets() if table is None else table
    name = re.compile(rf"/wsgi\.{parent}\.u{uid}\.(\d+)\.sock$")
    found: dict[int, str] = {}
    for path, listening in _rows(text):
        match = name.search(path)
        if match and listening:
            found[int(match.group(1))] = path
    if len(found) != len(COLOURS):
        return {}
    return {colour: found[number] for colour, number in zip(COLOURS, sorted(found), strict=True)}


def in_flight(path: str, table: str | None = None) -> int:
    """Return how many requests are in a socket's processes or waiting in front of them."""
    text = processes.unix_sockets() if table is None else table
    return sum(1 for found, listening in _rows(text) if found == path and not listening)


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
            quiet_since = now
        elif now - quiet_since >= SETTLED:
            return Drained(round(quiet_since - begun, 3), 0)
        if now - begun >= timeout and left:
            return Drained(round(now - begun, 3), left)
        time.sleep(0.05)


def _rows(table: str) -> list[tuple[str, bool]]:
    rows = []
    for line in table.splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8:
            rows.append((fields[7], bool(int(fields[3], 16) & LISTENING)))
    return rows
