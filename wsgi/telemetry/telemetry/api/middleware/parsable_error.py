"""One form for the errors of the application: `{"error_message": ...}`, or `<error_message>` in XML."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from xml.etree import ElementTree

import webob

StartResponse = Callable[..., Any]
Application = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]
OFFERS = ["application/json", "application/xml"]


class ParsableErrorMiddleware:
    """Rewrites the body of each answer whose status is not 2xx or 3xx."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = webob.Request(environ)
        response = request.get_response(self._application)
        if 200 <= response.status_int < 400:
            return self._send(response, environ, start_response)
        body = response.body
        del response.content_length
        if self._prefers_xml(request):
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
    def _prefers_xml(request: webob.Request) -> bool:
        offers = request.accept.acceptable_offers(OFFERS)
        return bool(offers) and offers[0][0] == "application/xml"

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
