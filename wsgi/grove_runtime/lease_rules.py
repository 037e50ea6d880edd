"""When an agent of which one instance is enough may run on a host, and when it has to be gone: numbers and decisions.

The hosts share a row of a database. The one that holds the row renews it, and each renewal gives the row a new version.
Another host takes the row when it has looked at one version for ``LEASE_SECONDS``. Each host measures time by its own
clock, from a moment at which it knows more than the other one: the holder from before it sent a renewal, the others
from after they saw it. So no host depends on the time of another one, nor on that of a database server, which may be
another server after a failure.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

RENEW_SECONDS = 2.0
"""Seconds between two renewals, and between two looks of a host that waits. A host that waits sees a row that was given
back after one pause. Each is a query of one row, so that a hundred hosts send fifty a second."""
QUERY_SECONDS = 4
"""Seconds that a query may take, and a connection. A renewal that takes longer counts as failed. The load balancers
give a lost database host's clients to another one within 7 seconds: a query that fails, a connection, and a query."""
STOP_SECONDS = 14.0
"""Seconds after the last renewal until the agent gets SIGTERM. Several attempts fit in, so that an agent outlives the
loss of a database host."""
KILL_SECONDS = 18.0
"""Seconds after the last renewal until the agent and all that it has started get SIGKILL."""
WATCHDOG_SECONDS = 16
"""Seconds after the report of a renewal until systemd kills the whole unit: the program that should have done it stands
still. A report comes ``QUERY_SECONDS`` after the renewal was sent at the latest. The unit has this number, too."""
LEASE_SECONDS = 22.0
"""Seconds for which another host has to see one version until it takes the row. Two seconds remain for systemd to kill,
and for clocks that do not run at the same speed."""
RESERVED_SECONDS = 12.0
"""Seconds for which a row is kept for its host while the agent starts again there. On a small host with many agents,
the program needs some seconds until it looks at the row."""
FAILURES = 3
"""Endings in a row after which the agent moves to another host. The cause may be its own host."""
STEADY_SECONDS = 60.0
"""Seconds after which an agent has run well: its earlier endings no longer count."""

HELD, RESERVED, FREE = "held", "reserved", "free"
"""The states of the row: an agent runs, its host starts it again, and any host may start it."""


def clock() -> float:
    """Return the seconds of a clock that nobody sets, and that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Row:
    """The row of an agent: who holds it (empty if nobody does), on which host, its state, endings and version."""

    holder: str
    host: str
    state: str
    failures: int
    version: int


class Contest:
    """What a host that waits has seen of the row, and since when."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._seen: Row | None = None
        self._since = 0.0

    def forget(self) -> None:
        """Forget what was seen: a new connection may lead to another server, which may know less."""
        self._seen = None

    def may_take(self, row: Row, now: float) -> bool:
        """Return whether this host may take the row that it has just seen; ``now`` is after the answer has come."""
        if row != self._seen:
            self._seen, self._since = row, now
        return now - self._since >= self._patience(row)

    def _patience(self, row: Row) -> float:
        if row.state == FREE or (row.state == RESERVED and row.host == self._host):
            return 0.0
        return RESERVED_SECONDS if row.state == RESERVED else LEASE_SECONDS


def is_fresh(sent: float, now: float) -> bool:
    """Return whether a renewal that was sent and whose answer has come now counts."""
    return now - sent <= QUERY_SECONDS


@dataclass(frozen=True)
class Deadlines:
    """When an agent that runs has to be told to end, and when it is killed. Times are those of ``clock``.

    renewed: when the last renewal was sent. told: when the agent was told to end; None if it was not. patience: seconds
    that the agent may take for that.
    """

    renewed: float
    told: float | None
    patience: float

    @property
    def stop(self) -> float:
        """When the agent gets SIGTERM, unless the row is renewed before."""
        return self.renewed + STOP_SECONDS

    @property
    def kill(self) -> float:
        """When the agent gets SIGKILL."""
        end = self.renewed + KILL_SECONDS
        return end if self.told is None else min(end, self.told + self.patience)


def given_back(failures: int, ran: float) -> tuple[str, int]:
    """Return the state and the endings of a row after the agent has ended by itself; ``ran`` are its seconds."""
    count = 1 if ran >= STEADY_SECONDS else failures + 1
    return (FREE, 0) if count >= FAILURES else (RESERVED, count)
