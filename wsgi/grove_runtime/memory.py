"""Replaces a daemon process before it runs into its memory limit."""

from __future__ import annotations

import fcntl
import logging
import os
import resource
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
SHARE = 0.9
"""The part of the limit beyond which a process is to be replaced."""
FULL = 0.98
"""The part beyond which requests of any size fail; one large allocation can fail far below."""
TAKE_OVER = 3.0
"""Seconds that are left for a successor: Apache looks for ended processes once a second, and it has to load."""


def data_size() -> int:
    """Return what the kernel counts against the limit for data (RLIMIT_DATA), in bytes."""
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[5]) * resource.getpagesize()


class Turn:
    """Lets the processes of an application end one at a time, since one that ends takes no more requests.

    The turn is a lock on this file, which the kernel gives back when its holder is gone; the next one waits until the
    holder's successor can have taken over.
    """

    def __init__(self) -> None:
        self._handle = os.open(__file__, os.O_RDONLY)
        self._free_at = 0.0
        self._mine = False

    def take(self, *, now: bool) -> bool:
        """Return True once in the life of a process: when it is its turn, or must not wait for that (``now``)."""
        if self._mine:
            return False
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._free_at = time.monotonic() + TAKE_OVER
            self._mine = now
            return now
        self._mine = now or time.monotonic() >= self._free_at
        if not self._mine:
            fcntl.flock(self._handle, fcntl.LOCK_UN)
        return self._mine


def guard(application: WSGIApplication) -> WSGIApplication:
    """Return ``application`` so that the process ends, after the requests that it has, when memory becomes short.

    At the limit allocations fail, which is MemoryError or worse in one request after the other. mod_wsgi starts another
    process for one that ended. Without a limit the application is returned as it is.
    """
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return application
    turn = Turn()
    lock = threading.Lock()

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        failed = False
        try:
            return application(environ, start_response)
        except MemoryError:
            failed = True
            raise
        finally:
            used = data_size() / limit
            if failed or used > SHARE:
                with lock:
                    # One signal is enough, a second one would cut the requests short.
                    if turn.take(now=failed and used > FULL):
                        _log.error("memory: this process nears its limit of %d MB, and is replaced", limit // 2**20)
                        os.kill(os.getpid(), signal.SIGINT)

    return guarded
