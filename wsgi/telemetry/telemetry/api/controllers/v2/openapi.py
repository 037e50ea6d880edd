"""/v2/openapi.json"""

from typing import Any

import pecan
from pecan import rest

from telemetry.api import openapi


class OpenAPIController(rest.RestController):  # type: ignore[misc]
    """/v2/openapi.json"""

    @pecan.expose("json")  # type: ignore[untyped-decorator]
    def get(self) -> dict[str, Any]:
        """Return the OpenAPI description of all calls."""
        return openapi.describe(pecan.request.application_url)
