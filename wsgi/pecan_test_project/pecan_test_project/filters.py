"""WSGI filters for the Paste pipeline."""

import re
import uuid
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Protocol, Self
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from webob.exc import HTTPBadRequest, HTTPRequestEntityTooLarge

REQUEST_ID = "pecan_test_project.request_id"
"""The key of the environ in which `RequestId` stores the id of the request."""

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class RequestId:
    """Gives every request an id and returns it in the header X-Request-Id.

    An id from the client is kept if it begins with a letter or digit and has at most 128 letters, digits, dots, dashes
    and underscores. Any other id is replaced.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    @classmethod
    def factory(cls, global_conf: dict[str, str]) -> Callable[[WSGIApplication], Self]:
        """Return the filter: a `paste.filter_factory` without settings."""
        return cls

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        client_id = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = client_id if _ACCEPTED_ID.fullmatch(client_id) else f"req-{uuid.uuid4()}"
        environ["HTTP_X_REQUEST_ID"] = environ[REQUEST_ID] = request_id

        def start_with_id(
            status: str, headers: list[tuple[str, str]], exc_info: _ExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            others = [(name, value) for name, value in headers if name.lower() != "x-request-id"]
            return start_response(status, [*others, ("X-Request-Id", request_id)], exc_info)

        return self._application(environ, start_with_id)


class BodyLimit:
    """Refuses requests whose body is longer than `max_bytes` with status 413.

    A body with a Content-Length is refused before it is read. A body of unknown length (chunked) is refused when the
    application reads past the limit.
    """

    def __init__(self, application: WSGIApplication, max_bytes: int) -> None:
        self._application = application
        self._max_bytes = max_bytes

    @classmethod
    def factory(cls, global_conf: dict[str, str], *, max_bytes: str) -> Callable[[WSGIApplication], Self]:
        """Return the filter for a limit in bytes: a `paste.filter_factory`.

        Raises ValueError if `max_bytes` is not a whole number from 0.
        """
        if not (max_bytes.isascii() and max_bytes.isdecimal()):
            raise ValueError(f"max_bytes must be a whole number of bytes, not {max_bytes!r}")
        limit = int(max_bytes)
        return lambda application: cls(application, limit)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        declared = environ.get("CONTENT_LENGTH") or ""
        if declared and not (declared.isascii() and declared.isdecimal()):
            return self._refuse(HTTPBadRequest("Content-Length is not a number."), environ, start_response)
        if declared and int(declared) > self._max_bytes:
            return self._refuse(self._too_large(), environ, start_response)
        environ["wsgi.input"] = _LimitedInput(environ["wsgi.input"], self._max_bytes, self._too_large)
        try:
            return self._application(environ, start_response)
        except HTTPRequestEntityTooLarge as refusal:
            return self._refuse(refusal, environ, start_response)

    def _too_large(self) -> HTTPRequestEntityTooLarge:
        return HTTPRequestEntityTooLarge(f"A request body may have {self._max_bytes} bytes.")

    @staticmethod
    def _refuse(refusal: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return refusal(environ, start_response)


class _Input(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def readline(self, size: int = -1, /) -> bytes: ...


class _LimitedInput:
    """The `wsgi.input` of a request. It raises the exception of `error` once more than `limit` bytes are read."""

    def __init__(self, source: _Input, limit: int, error: Callable[[], Exception]) -> None:
        self._source = source
        self._remaining = limit
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        return self._count(self._source.read(self._bounded(size)))

    def readline(self, size: int | None = -1) -> bytes:
        return self._count(self._source.readline(self._bounded(size)))

    def readlines(self, hint: int = -1) -> list[bytes]:
        return list(self)

    def __iter__(self) -> "_LimitedInput":
        return self

    def __next__(self) -> bytes:
        if line := self.readline():
            return line
        raise StopIteration

    def _bounded(self, size: int | None) -> int:
        """Return the number of bytes to read: at most one past the limit, which shows that the body is longer."""
        maximum = self._remaining + 1
        return maximum if size is None or size < 0 else min(size, maximum)

    def _count(self, data: bytes) -> bytes:
        self._remaining -= len(data)
        if self._remaining < 0:
            raise self._error()
        return data
