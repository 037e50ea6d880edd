"""Replaces a daemon process before it runs into its memory limit."""

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
SHARE = 0.9
"""The part of the limit beyond which a process is to be replaced."""
FULL = 0.98
"""The part beyond which requests of any size fail; one large allocation can fail far below."""


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

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        failed = False
        try:
            return application(environ, start_response)
        except MemoryError:
            failed = True
            raise
        finally:
            used = data_size() / limit
            # One signal is enough, a second one would cut the requests short.
            if (failed or used > SHARE) and turn.take(urgent=failed and used > FULL):
                _log.error("memory: this process nears its limit of %d MB, and is replaced", limit // 2**20)
                os.kill(os.getpid(), signal.SIGINT)

    return guarded
