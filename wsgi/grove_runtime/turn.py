"""The order in which the processes of an application may end, one after the other."""

from __future__ import annotations

import fcntl
import os
import threading
import time

TAKE_OVER = 3.0
"""Seconds that are left for a successor: Apache looks for ended processes once a second, and it has to load."""


class Turn:
    """Lets the processes of a release end one at a time, since one that ends takes no more requests.

    The turn is a lock on this file, which the kernel gives back when its holder is gone; the next one waits until the
    holder's successor can have taken over.
    """

    def __init__(self) -> None:
        self._handle = os.open(__file__, os.O_RDONLY)
        self._free_at = 0.0
        self._mine = False
        self._own = threading.Lock()

    def take(self, *, urgent: bool) -> bool:
        """Return True once in the life of a process: when it is its turn.

        What is urgent does not wait for the last one's successor. It does wait for that one's end: an answer that says
        no is better than none, and what is too large for this process's memory is not all that it is asked for.
        """
        with self._own:
            if self._mine:
                return False
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._free_at = time.monotonic() + TAKE_OVER
                return False
            self._mine = urgent or time.monotonic() >= self._free_at
            if not self._mine:
                fcntl.flock(self._handle, fcntl.LOCK_UN)
            return self._mine


turn = Turn()
"""This process's."""
