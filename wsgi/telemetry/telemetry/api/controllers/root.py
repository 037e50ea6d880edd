"""The URL space: the version document at /, and one controller for each path below /v2.

ROUTES is the one table of these paths. The dispatch of requests, the OpenAPI description and the redirects to the
services that replaced parts of this API all read it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pecan
import webob.exc

from telemetry.api import successors
from telemetry.api.controllers.v2.alarms import AlarmsController
from telemetry.api.controllers.v2.capabilities import CapabilitiesController
from telemetry.api.controllers.v2.events import EventsController, EventTypesController
from telemetry.api.controllers.v2.meters import MetersController
from telemetry.api.controllers.v2.openapi import OpenAPIController
from telemetry.api.controllers.v2.query import (
    QueryAlarmHistoryController,
    QueryAlarmsController,
    QuerySamplesController,
)
from telemetry.api.controllers.v2.resources import ResourcesController
from telemetry.api.controllers.v2.samples import SamplesController

MEDIA_TYPE = "application/vnd.openstack.telemetry-v2"


@dataclass(frozen=True)
class Route:
    """A path below /v2, and the class or function that makes its controller.

    `check_successor` is None, or a function of successors.py: it raises an HTTP answer if another service has replaced
    this part of the API.
    """

    path: str
    controller: Callable[[], Any]
    check_successor: Callable[[], None] | None = None


ROUTES: tuple[Route, ...] = (
    Route("meters", MetersController, successors.gnocchi_unless_posting),
    Route("resources", ResourcesController, successors.gnocchi),
    Route("samples", SamplesController, successors.gnocchi),
    Route("alarms", AlarmsController, successors.aodh),
    Route("events", EventsController, successors.panko),
    Route("event_types", EventTypesController, successors.panko),
    Route("query/samples", QuerySamplesController, successors.gnocchi),
    Route("query/alarms", QueryAlarmsController, successors.aodh),
    Route("query/alarms/history", QueryAlarmHistoryController, successors.aodh),
    Route("capabilities", CapabilitiesController),
    Route("openapi.json", lambda: OpenAPIController({route.path: route.controller for route in ROUTES})),
)
# A path of several parts comes before its own beginning: query/alarms/history before query/alarms.
LONGEST_FIRST = sorted(((tuple(route.path.split("/")), route) for route in ROUTES), key=lambda entry: -len(entry[0]))


class V2Controller:
    """/v2"""

    @pecan.expose()  # type: ignore[untyped-decorator]
    def _lookup(self, *path: str) -> tuple[Any, tuple[str, ...]]:
        # A slash at the end of the URL makes an empty last part.
        while path and not path[-1]:
            path = path[:-1]
        for parts, route in LONGEST_FIRST:
            if path[: len(parts)] == parts:
                if route.check_successor is not None:
                    route.check_successor()
                return route.controller(), path[len(parts) :]
        raise webob.exc.HTTPNotFound


class RootController:
    """/"""

    def __init__(self) -> None:
        self.v2 = V2Controller()

    @pecan.expose("json")  # type: ignore[untyped-decorator]
    def index(self) -> dict[str, Any]:
        """Return the version document."""
        return {
            "versions": {
                "values": [
                    {
                        "id": "v2",
                        "status": "stable",
                        "updated": "2013-02-13T00:00:00Z",
                        "media-types": [
                            {"base": f"application/{form}", "type": f"{MEDIA_TYPE}+{form}"} for form in ("json", "xml")
                        ],
                        "links": [
                            {"href": f"{pecan.request.application_url}/v2", "rel": "self"},
                            {"href": "http://docs.openstack.org/", "type": "text/html", "rel": "describedby"},
                        ],
                    }
                ]
            }
        }
