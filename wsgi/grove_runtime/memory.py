"""Replaces a daemon process before it runs into its memory limit."""

from __future__ import annotations

import logging
import os
import resource
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
SHARE = 0.9
"""The part of the limit beyond which a process is not fit for another request."""


def data_size() -> int:
    """Return what the kernel counts against the limit for data (RLIMIT_DATA), in bytes."""
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[5]) * resource.getpagesize()


def guard(application: WSGIApplication) -> WSGIApplication:
    """Return ``application`` so that the process ends, after the requests that it has, when memory becomes short.

    At the limit allocations fail, which is MemoryError or worse in one request after the other. mod_wsgi starts another
    process for one that ended. Without a limit the application is returned as it is.
    """
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    if limit == resource.RLIM_INFINITY:
        return application
    told = threading.Lock()

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        short = False
        try:
            return application(environ, start_response)
        except MemoryError:
            short = True
            raise
        finally:
            # A lock that is never released: one signal is enough, a second one would cut the requests short.
            if (short or data_size() > SHARE * limit) and told.acquire(blocking=False):
                _log.error("memory: this process nears its limit of %d MB, and is replaced", limit // 2**20)
                os.kill(os.getpid(), signal.SIGINT)

    return guarded
