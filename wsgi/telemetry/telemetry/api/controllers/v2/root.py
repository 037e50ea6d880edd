"""Routes /v2: each kind of thing to its controller here, or to the service that has taken it over."""

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pecan
import webob.exc

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
from telemetry.i18n import _
from telemetry.query.conversion import boolean

METERING: dict[str, Any] = {"meters": MetersController, "resources": ResourcesController, "samples": SamplesController}
EVENTS: dict[str, Any] = {"events": EventsController, "event_types": EventTypesController}
OTHERS: dict[str, Any] = {"capabilities": CapabilitiesController, "openapi.json": OpenAPIController}
QUERIES: dict[str, Any] = {
    "samples": QuerySamplesController, "alarms": QueryAlarmsController, "alarms/history": QueryAlarmHistoryController,
}
# Every path below /v2 that leads to a controller, for the OpenAPI description.
SECTIONS = {
    **METERING, "alarms": AlarmsController, **EVENTS, **OTHERS,
    **{f"query/{name}": controller for name, controller in QUERIES.items()},
}


class V2Controller:
    """/v2"""

    @pecan.expose()  # type: ignore[untyped-decorator]
    def _lookup(self, kind: str, *remainder: str) -> tuple[Any, tuple[str, ...]]:
        options = pecan.request.cfg.api
        # A trailing slash is not the name of a thing.
        while remainder and not remainder[-1]:
            remainder = remainder[:-1]
        if kind in METERING:
            if options.gnocchi_is_enabled and not (kind == "meters" and pecan.request.method == "POST"):
                _gone_to_gnocchi()
            if options.gnocchi_is_enabled:
                _check_publishable()
            return METERING[kind](), remainder
        if kind == "alarms":
            if _moved(options.aodh_is_enabled, options.aodh_url, "aodh"):
                _redirect(options.aodh_url)
            return AlarmsController(), remainder
        if kind in EVENTS:
            if _moved(options.panko_is_enabled, options.panko_url, "panko"):
                _redirect(options.panko_url)
            return EVENTS[kind](), remainder
        if kind == "query":
            return self._query(remainder)
        if kind in OTHERS:
            return OTHERS[kind](), remainder
        raise webob.exc.HTTPNotFound

    @staticmethod
    def _query(remainder: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
        options = pecan.request.cfg.api
        match remainder:
            case ("samples", *rest):
                if options.gnocchi_is_enabled:
                    _gone_to_gnocchi()
                return QUERIES["samples"](), tuple(rest)
            case ("alarms", *rest):
                if _moved(options.aodh_is_enabled, options.aodh_url, "aodh"):
                    _redirect(options.aodh_url)
                if rest and rest[0] == "history":
                    return QUERIES["alarms/history"](), tuple(rest[1:])
                return QUERIES["alarms"](), tuple(rest)
        raise webob.exc.HTTPNotFound


def _gone_to_gnocchi() -> None:
    raise webob.exc.HTTPGone(detail=_(
        "This telemetry installation is configured to use Gnocchi. Please use the Gnocchi API available on the metric "
        "endpoint to retrieve data."
    ))


def _check_publishable() -> None:
    """Samples may still be posted to the message bus when Gnocchi stores them."""
    try:
        direct = boolean(pecan.request.params.get("direct", "false"))
    except ValueError:
        direct = False
    if direct:
        raise webob.exc.HTTPBadRequest(detail=_("direct option cannot be true when Gnocchi is enabled."))
    if pecan.request.notifier is None:
        _gone_to_gnocchi()


def _moved(enabled: bool | None, url: str | None, service: str) -> bool:
    """Whether another service has taken over; raises 410 when it has, but nobody said where it is."""
    if enabled is False or (enabled is None and not url):
        return False
    if not url:
        kinds = "alarms" if service == "aodh" else "events"
        raise webob.exc.HTTPGone(detail=_("%(kinds)s URLs is unavailable when %(service)s is disabled or unavailable.")
                                 % {"kinds": kinds, "service": service.capitalize()})
    return True


def _redirect(url: str) -> None:
    """Send the caller to the same path and query of another service."""
    base = urlsplit(url.removesuffix("/"))
    path = base.path + pecan.request.script_name + pecan.request.path_info
    location = urlunsplit((base.scheme, base.netloc, path, pecan.request.query_string, ""))
    raise webob.exc.HTTPPermanentRedirect(location=location)
