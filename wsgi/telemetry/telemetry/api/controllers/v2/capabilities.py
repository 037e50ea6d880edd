"""/v2/capabilities"""

from typing import Any

import pecan
from pecan import rest

from telemetry.api.expose import expose
from telemetry.api.types.capabilities import Capabilities
from telemetry.storage.filters import AGGREGATE_FUNCTIONS
from telemetry.storage.interface import Driver

METERING = (
    *(
        f"{kind}:query:{form}"
        for kind in ("meters", "resources", "samples", "statistics")
        for form in ("simple", "metadata", "complex")
    ),
    "statistics:groupby",
    "statistics:aggregation:standard",
    *(f"statistics:aggregation:selectable:{name}" for name in AGGREGATE_FUNCTIONS),
)
ALARM = tuple(f"alarms:{part}query:{form}" for part in ("", "history:") for form in ("simple", "complex"))
EVENT = ("events:query:simple",)


def _available(driver: Driver, names: tuple[str, ...]) -> dict[str, bool]:
    return {name: name in driver.CAPABILITIES for name in names}


class CapabilitiesController(rest.RestController):  # type: ignore[misc]
    """/v2/capabilities"""

    @expose(Capabilities)
    def get(self) -> Any:
        """Return the capabilities of the API and its stores."""
        metering, alarm, event = (pecan.request.stores.driver(name) for name in ("metering", "alarm", "event"))
        return Capabilities(
            api={**_available(metering, METERING), **_available(alarm, ALARM), **_available(event, EVENT)},
            storage={"storage:production_ready": metering.PRODUCTION_READY},
            alarm_storage={"storage:production_ready": alarm.PRODUCTION_READY},
            event_storage={"storage:production_ready": event.PRODUCTION_READY},
        )
