"""Tells Apache's access log which release has answered a request, and how long the request took where.

Apache takes the header away from the answer. It says so by giving the request an id; a configuration that was written
before December 2026 does not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Grove-Log"
MICROSECONDS = 1e14
"""A time since 1970 above this number is in microseconds: mod_wsgi 4.9 has these, mod_wsgi 6 seconds."""


def seconds(value: object) -> float | None:
    """Return a time of mod_wsgi in seconds since 1970; None for what is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number / 1e6 if number > MICROSECONDS else number


def queued(environ: WSGIEnvironment) -> float:
    """Return the seconds for which a request has waited for a thread of this process group."""
    begin, end = seconds(environ.get("mod_wsgi.queue_start")), seconds(environ.get("mod_wsgi.daemon_start"))
    return max(0.0, end - begin) if begin and end else 0.0


def stamp(application: WSGIApplication, release: str) -> WSGIApplication:
    """Return ``application`` so that its answers have the header; ``release`` is the release's id.

    The header has the id, and the microseconds in the queue and until the application began to answer.
    """

    def stamped(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if "GROVE_REQUEST_ID" not in environ:
            return application(environ, start_response)
        begin = time.perf_counter()
        waited = queued(environ)

        def start(
            status: str,
            headers: list[tuple[str, str]],
            exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
        ) -> Any:
            own = f"{release} {round(waited * 1e6)} {round((time.perf_counter() - begin) * 1e6)}"
            kept = [header for header in headers if header[0].lower() != HEADER.lower()]
            return start_response(status, [*kept, (HEADER, own)], exc_info)

        return application(environ, start)

    return stamped
