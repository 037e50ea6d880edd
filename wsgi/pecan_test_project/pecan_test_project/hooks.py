"""Pecan hooks: a log of the phases of each request, and the answer to an unhandled exception."""

import logging
from typing import Any
from urllib.parse import quote

from pecan.hooks import PecanHook
from webob import Request, Response
from webob.exc import HTTPException, HTTPInternalServerError

from .filters import REQUEST_ID

_log = logging.getLogger(__name__)


class RequestLogHook(PecanHook):
    """Logs one line for each phase of a request: the phase, the method, the path, and the result.

    Pecan renders an error page in a second pass of the same request. This pass is logged only if it fails too.
    """

    # Pecan runs on_error from the highest priority number down and stops at the first hook that returns a response.
    priority = 200

    def on_route(self, state: Any) -> None:
        if not _renders_error_page(state.request):
            _log.info("on_route %s", _describe(state.request))

    def before(self, state: Any) -> None:
        if not _renders_error_page(state.request):
            _log.info("before %s controller=%s", _describe(state.request), state.controller.__qualname__)

    def after(self, state: Any) -> None:
        if not _renders_error_page(state.request):
            _log.info("after %s status=%d", _describe(state.request), state.response.status_int)

    def on_error(self, state: Any, error: Exception) -> None:
        # In Pecan a redirect or an abort() is an exception as well.
        if isinstance(error, HTTPException):
            _log.info(
                "on_error %s exception=%s status=%d",
                _describe(state.request),
                type(error).__name__,
                state.response.status_int,
            )
        else:
            _log.error(
                "on_error %s exception=%s message=%r", _describe(state.request), type(error).__name__, str(error)
            )


class ErrorPageHook(PecanHook):
    """Answers an unhandled exception with status 500, and logs its traceback."""

    def on_error(self, state: Any, error: Exception) -> Response | None:
        if isinstance(error, HTTPException) or _renders_error_page(state.request):
            return None
        _log.error("unhandled exception", exc_info=error)
        return HTTPInternalServerError()


def _renders_error_page(request: Request) -> bool:
    return "pecan.recursive.old_path_info" in request.environ


def _describe(request: Request) -> str:
    """Return `METHOD /path`. The path comes from the environ: the request cannot decode one that is not UTF-8."""
    environ = request.environ
    path = quote(environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""), encoding="latin-1")
    identity = f" request_id={environ[REQUEST_ID]}" if REQUEST_ID in environ else ""
    return f"{environ['REQUEST_METHOD']} {path}{identity}"
