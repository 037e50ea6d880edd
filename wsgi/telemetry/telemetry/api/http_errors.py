"""Error answers for exceptions outside the controllers, with webob's text instead of Pecan's JSON, as in Ceilometer."""

import logging
from typing import Any

import webob
import webob.exc
from oslo_config import cfg
from pecan import hooks

from telemetry.api.middleware.requests import ACCEPT
from telemetry.errors import UnavailableError

LOG = logging.getLogger(__name__)
# Reading a malformed URL, query string or body raises these. The caller is at fault.
UNREADABLE = (UnicodeError, RecursionError, ValueError)


class ErrorHook(hooks.PecanHook):  # type: ignore[misc]
    """Answers every exception, so that none leaves the application: 404, 405, 406, 410 and others in webob's words."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def on_error(self, state: Any, error: Exception) -> webob.Response:
        """Return the response for an exception."""
        if not isinstance(error, webob.exc.HTTPException):
            if isinstance(error, UNREADABLE):
                LOG.info("Unreadable request: %s", error)
                error = webob.exc.HTTPBadRequest(detail="The request cannot be read")
            elif isinstance(error, UnavailableError):
                error = webob.exc.HTTPServiceUnavailable(
                    detail=str(error), headers={"Retry-After": str(self._conf.api.retry_after)}
                )
            else:
                LOG.error("Unexpected error", exc_info=error)
                error = webob.exc.HTTPInternalServerError()
        return self._response(state, error)

    @staticmethod
    def _response(state: Any, error: Any) -> webob.Response:
        response = webob.Response(status=error.status)
        for name, value in error.headerlist:
            if name.lower() not in ("content-type", "content-length"):
                response.headers[name] = value
        if error.status_int in (204, 304) or error.status_int < 400:
            response.body = b""
            return response
        accept = state.request.environ.get(ACCEPT, "")
        if "html" in accept or "*/*" in accept:
            response.content_type = "text/html"
            response.text = error.html_body(state.request.environ)
        else:
            response.content_type = "text/plain"
            response.text = error.plain_body(state.request.environ)
        if isinstance(error, webob.exc.HTTPMethodNotAllowed) and error.allow:
            response.allow = [*error.allow, *(["HEAD"] if "GET" in error.allow else [])]
        return response
