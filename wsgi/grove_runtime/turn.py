"""The order in which the processes of a release may end: one after the other."""

from __future__ import annotations

import fcntl
import os
import threading
import time

SUCCESSOR_SECONDS = 3.0
"""Seconds until a successor serves: Apache looks for ended processes once a second, and the release has to load."""


class Turn:
    """Lets the processes of a release end one at a time, because a process that is ending accepts no more requests.

    The process whose turn it is holds a lock on this file. The kernel releases the lock when that process has ended.
    The next process then waits until a successor can have started.
    """

    def __init__(self) -> None:
        self._handle = os.open(__file__, os.O_RDONLY)
        self._successor_ready_at = 0.0
        self._acquired = False
        self._threads = threading.Lock()

    def acquire(self, *, urgent: bool) -> bool:
        """Return True when the process may begin to end; that is once in its life, and False ever after.

        While another process is ending, the answer is False, urgent or not: if all processes ended at once, no process
        would accept requests. A process that fails some requests is better than that. With ``urgent``, when requests of
        any size fail, the process does not wait for the last one's successor.
        """
        with self._threads:
            if self._acquired:
                return False
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._successor_ready_at = time.monotonic() + SUCCESSOR_SECONDS
                return False
            self._acquired = urgent or time.monotonic() >= self._successor_ready_at
            if not self._acquired:
                fcntl.flock(self._handle, fcntl.LOCK_UN)
            return self._acquired


turn = Turn()
"""The turn of this process."""
