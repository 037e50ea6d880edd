"""Divides the alarms between the evaluators that run, by leases in the database.

The first digit of its id puts an alarm into one of 16 parts. A process evaluates the parts whose leases it owns, and
renews these leases while it runs. The leases of a process that is gone expire, and others take them. The clocks of the
hosts must not differ by more than a few seconds.
"""

import datetime as dt
import logging
import os
import socket
import threading
import time
import uuid

from telemetry import timestamps
from telemetry.storage.interface import EvaluationStore
from telemetry.storage.records import Lease

LOG = logging.getLogger(__name__)
PART = "alarms/"
PROCESS = "process/"
DIGITS = "0123456789abcdef"
PARTS = tuple(f"{PART}{digit}" for digit in DIGITS)
# Lengths of a lease after which nobody needs to know of a process that is gone.
FORGOTTEN = 10


def bounds(part: str) -> tuple[str, str | None]:
    """Return the range of ids of a part: the first id, and the first one of the next part, or None."""
    position = PARTS.index(part)
    # What sorts before 0 or after f belongs to the outer parts.
    first = DIGITS[position] if position else ""
    return first, DIGITS[position + 1] if position + 1 < len(DIGITS) else None


def share(owner: str, owners: list[str]) -> int:
    """Return how many parts an owner should have. The shares of all owners add up to all parts."""
    each, rest = divmod(len(PARTS), len(owners))
    return each + (sorted(owners).index(owner) < rest)


class Partition:
    """The parts of one process. `seconds` is the length of a lease.

    `renew` may be called from another thread than the other methods.
    """

    def __init__(self, store: EvaluationStore, seconds: float) -> None:
        self.owner = f"{socket.gethostname()[:64]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._store = store
        self._seconds = seconds
        self._process = f"{PROCESS}{self.owner}"
        self._lock = threading.Lock()
        # The owned parts, and when their evaluation was begun last.
        self._begun: dict[str, dt.datetime] = {}
        self._valid_until = 0.0

    def balance(self) -> None:
        """Tell the others that this process runs, take parts or give some away. Raises UnavailableError."""
        asked = time.monotonic()
        now = timestamps.utcnow()
        expires = now + dt.timedelta(seconds=self._seconds)
        self._store.take_leases([self._process], self.owner, now, expires)
        self._store.renew_leases(self.owner, expires)
        leases = self._store.leases()
        valid = [lease for lease in leases if lease.expires > now]
        target = share(self.owner, [lease.owner for lease in valid if lease.name.startswith(PROCESS)])
        owned = [lease.name for lease in valid if lease.owner == self.owner and lease.name in PARTS]
        if surplus := owned[target:]:
            self._store.release_leases(self.owner, surplus)
            owned = owned[:target]
        elif len(owned) < target:
            taken = {lease.name for lease in valid}
            free = [name for name in PARTS if name not in taken][: target - len(owned)]
            owned += self._store.take_leases(free, self.owner, now, expires) if free else []
        self._forget(leases, now)
        begun = {lease.name: lease.begun for lease in leases}
        with self._lock:
            if owned != list(self._begun):
                LOG.info("This process evaluates %d of %d parts of the alarms", len(owned), len(PARTS))
            self._begun = {name: begun.get(name, timestamps.EPOCH) for name in owned}
            self._valid_until = asked + self._seconds

    def _forget(self, leases: list[Lease], now: dt.datetime) -> None:
        """Delete the entries of processes that are gone for long."""
        for lease in leases:
            gone = (now - lease.expires).total_seconds() > FORGOTTEN * self._seconds
            if gone and lease.name.startswith(PROCESS):
                self._store.release_leases(lease.owner, [lease.name])

    def renew(self) -> None:
        """Renew the leases. Raises UnavailableError."""
        asked = time.monotonic()
        names = self._store.renew_leases(self.owner, timestamps.utcnow() + dt.timedelta(seconds=self._seconds))
        with self._lock:
            self._begun = {name: begun for name, begun in self._begun.items() if name in names}
            self._valid_until = asked + self._seconds

    def leave(self) -> None:
        """Give all parts to others. Raises UnavailableError."""
        with self._lock:
            self._begun.clear()
        self._store.release_leases(self.owner, [*PARTS, self._process])

    def owns(self, part: str) -> bool:
        """Tell whether the lease of a part is this process's and has not expired."""
        with self._lock:
            return part in self._begun and time.monotonic() < self._valid_until

    def due(self, interval: float) -> list[str]:
        """Return the parts whose evaluation was begun at least `interval` seconds ago, the longest ago first."""
        now = timestamps.utcnow()
        with self._lock:
            begun = sorted(self._begun.items(), key=lambda item: item[1])
        return [part for part, last in begun if _is_due(last, now, interval)]

    def begin(self, part: str, interval: float) -> float | None:
        """Begin the evaluation of a part. Raises UnavailableError.

        Return the seconds since it was begun last, or None if another process began it within the interval.
        """
        now = timestamps.utcnow()
        with self._lock:
            last = self._begun.get(part)
        if last is None or not self.owns(part):
            return None
        if not self._store.begin_work(part, self.owner, now, max(last, now - dt.timedelta(seconds=interval))):
            return None
        with self._lock:
            if part in self._begun:
                self._begun[part] = now
        return (now - last).total_seconds()


def _is_due(last: dt.datetime, now: dt.datetime, interval: float) -> bool:
    # A clock that was set back must not stop the evaluation.
    return abs((now - last).total_seconds()) >= interval
