"""Requests in the form that Pecan and WSME understand."""

from collections.abc import Iterable
from typing import Any

from telemetry.api import negotiation
from telemetry.api.middleware.parsable_error import Application, StartResponse

# The header Accept as the client sent it.
ACCEPT = "telemetry.accept"


class RequestMiddleware:
    """Passes each request on to the application in one of its possible forms.

    The header Accept lists the acceptable media types of an answer in the order of their preference. The type of a body
    is in lower case.
    """

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        environ[ACCEPT] = environ.get("HTTP_ACCEPT", "")
        if environ[ACCEPT] and (offers := negotiation.acceptable(environ[ACCEPT])):
            environ["HTTP_ACCEPT"] = ", ".join(f"{offer};q={1 - place / 10}" for place, offer in enumerate(offers))
        if "CONTENT_TYPE" in environ:
            media_type, separator, parameters = environ["CONTENT_TYPE"].partition(";")
            environ["CONTENT_TYPE"] = media_type.strip().lower() + separator + parameters
        return self._application(environ, start_response)
