"""One form for the errors of the application: `{"error_message": ...}`, or `<error_message>` in XML."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import webob

from telemetry.api import negotiation

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class ParsableErrorMiddleware:
    """Rewrites the body of each answer whose status is not 2xx or 3xx."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        accept = environ.get("HTTP_ACCEPT")
        # An answer to HEAD is that to GET. webob leaves out its body.
        get = {**environ, "REQUEST_METHOD": "GET"} if environ["REQUEST_METHOD"] == "HEAD" else environ
        response = webob.Request(get).get_response(self._application)
        if 200 <= response.status_int < 400:
            return self._send(response, environ, start_response)
        body = response.body
        del response.content_length
        if negotiation.acceptable(accept)[:1] == ["application/xml"]:
            response.body = self._xml(body, response.status_int)
            response.content_type = "application/xml"
        else:
            response.body = self._json(body)
            response.content_type = "application/json"
        response.charset = None
        return self._send(response, environ, start_response)

    @staticmethod
    def _send(response: webob.Response, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        body: Iterable[bytes] = response(environ, start_response)
        return body

    @staticmethod
    def _xml(body: bytes, status: int) -> bytes:
        error = ElementTree.Element("error_message")
        try:
            error.append(ElementTree.fromstring(body))
        except ElementTree.ParseError:
            error.text = str(status)
        return ElementTree.tostring(error)

    @staticmethod
    def _json(body: bytes) -> bytes:
        text = body.decode("utf-8", "replace")
        try:
            message: Any = json.loads(text)
        except ValueError:
            message = text
        return json.dumps({"error_message": message}).encode()
