"""A WSGI application with packaging metadata."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version
from wsgiref.types import StartResponse, WSGIEnvironment


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Greet, with the version that is installed."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"Hello from greeter {version('greeter')}".encode()]
