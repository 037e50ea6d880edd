"""Marks each answer to a request through a door with the release and the process that gave it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

RELEASE_HEADER = "X-Grove-Release"
PROCESS_HEADER = "X-Grove-Process"


def stamp(application: WSGIApplication, release: str) -> WSGIApplication:
    """Return ``application`` so that answers to requests through a door have two more headers.

    ``release`` is the release's id. Apache sets ``GROVE_DOOR`` for a request through a door, which no client can do;
    the application does not see it. Of such a request, the header ``X-Grove-Trace: NAME`` makes a trace. Other requests
    and their answers are passed on as they are.
    """
    own_headers = [(RELEASE_HEADER, release), (PROCESS_HEADER, str(os.getpid()))]

    def stamped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.pop("GROVE_DOOR", None) is None:
            return application(environ, start_response)

        def start(
            status: str,
            headers: list[tuple[str, str]],
            exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
        ) -> Any:
            return start_response(status, [*headers, *own_headers], exc_info)

        if (trace := environ.pop("HTTP_X_GROVE_TRACE", None)) is not None:
            from . import tracing

            return tracing.run(application, environ, start, trace)
        return application(environ, start)

    return stamped
