"""Replaces a daemon process before it reaches its memory limit."""

from __future__ import annotations

import logging
import os
import resource
import signal
from typing import TYPE_CHECKING

from .turn import turn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
REPLACED_FROM = 0.9
"""The part of the limit from which a process is replaced: the rest is for the requests that it still has."""
URGENT_FROM = 0.98
"""The part of the limit from which requests of any size fail. One large allocation can fail far below."""
PAGE = resource.getpagesize()
STATM = 256
"""Bytes that are enough for the seven numbers of ``/proc/self/statm``."""


def data_size() -> int:
    """Return the bytes that the kernel counts against the limit for data (RLIMIT_DATA)."""
    # Each request asks. A file object of Python would take three times as long.
    handle = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(handle, STATM).split()[5]) * PAGE
    finally:
        os.close(handle)


def guard(application: WSGIApplication) -> WSGIApplication:
    """Return ``application`` so that the process ends, after the requests that it has, when its memory becomes short.

    The limit is RLIMIT_DATA, which the record's ``memory_limit`` sets. At the limit allocations fail, with MemoryError
    or worse, in one request after the other. mod_wsgi starts another process for one that ended. Without a limit this
    function returns the application itself.
    """
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return application

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        failed = False
        try:
            return application(environ, start_response)
        except MemoryError:
            failed = True
            raise
        finally:
            used = data_size() / limit
            # A second signal would cut the other requests short; the turn comes only once.
            if (failed or used > REPLACED_FROM) and turn.acquire(urgent=failed and used > URGENT_FROM):
                _log.error("memory: this process nears its limit of %d MB, and is replaced", limit // 2**20)
                os.kill(os.getpid(), signal.SIGINT)

    return guarded
