"""/v2/openapi.json"""

from collections.abc import Callable, Mapping
from typing import Any

import pecan
from pecan import rest

from telemetry.api import openapi


class OpenAPIController(rest.RestController):  # type: ignore[misc]
    """/v2/openapi.json"""

    def __init__(self, controllers: Mapping[str, Callable[[], Any]]) -> None:
        self._controllers = controllers

    @pecan.expose("json")  # type: ignore[untyped-decorator]
    def get(self) -> dict[str, Any]:
        """Return the OpenAPI description of all calls."""
        return openapi.describe(pecan.request.application_url, self._controllers)
