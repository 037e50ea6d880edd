"""/v2/meters: meters, their samples and statistics, and where samples are posted."""

from typing import Any

import pecan
from pecan import rest

from telemetry.api import identity, paging, posting, scoping
from telemetry.api.controllers.v2.statistics import statistics_of
from telemetry.api.errors import ClientSideError
from telemetry.api.expose import expose
from telemetry.api.types.meters import Meter, OldSample
from telemetry.api.types.query import Aggregate, Query
from telemetry.api.types.statistics import Statistics
from telemetry.i18n import _
from telemetry.query import conversion, simple
from telemetry.storage.filters import SampleFilter


def sample_filter(parsed: simple.Parsed, **more: Any) -> SampleFilter:
    """Return the store's filter for a parsed simple query."""
    plain = parsed.plain
    values: dict[str, Any] = {
        "meter": plain.get("meter"), "user": parsed.owner("user"), "project": parsed.owner("project"),
        "resource": plain.get("resource"), "source": plain.get("source"), "message_id": plain.get("message_id"),
        "metadata": parsed.metadata, **parsed.times.arguments(), **more,
    }
    return SampleFilter(**values)


class MeterController(rest.RestController):  # type: ignore[misc]
    """/v2/meters/{meter_name}"""

    _custom_actions = {"statistics": ["GET"]}  # noqa: RUF012

    def __init__(self, meter_name: str) -> None:
        self.meter_name = meter_name

    @expose([OldSample], [Query], int, str)
    def get_all(self, q: list[Query] | None = None, limit: int | None = None, marker: str | None = None) -> Any:
        """Return samples of the meter, newest first."""
        identity.enforce("get_samples")
        page = paging.page_of(limit, marker)
        parsed = simple.parse(scoping.limited(q, identity.scope()), simple.SAMPLES)
        found = pecan.request.stores.metering.samples(sample_filter(parsed, meter=self.meter_name), page)
        return [OldSample.from_record(one) for one in paging.items_of(found)]

    @expose([OldSample], str, body=[OldSample], status_code=201)
    def post(self, direct: str = "", samples: list[OldSample] | None = None) -> Any:
        """Post samples of the meter; `direct` stores them even where there is a message bus."""
        identity.enforce("create_samples")
        if not samples:
            raise ClientSideError(_("Samples should be included in request body"))
        try:
            at_once = conversion.boolean(direct) if direct else False
        except ValueError:
            at_once = False
        return posting.post(self.meter_name, samples, at_once)

    @expose([Statistics], [Query], [str], int, [Aggregate])
    def statistics(
        self, q: list[Query] | None = None, groupby: list[str] | None = None, period: int | None = None,
        aggregate: list[Aggregate] | None = None,
    ) -> Any:
        """Return statistics of the meter's samples."""
        identity.enforce("compute_statistics")
        return statistics_of(self.meter_name, scoping.limited(q, identity.scope()), groupby, period, aggregate)


class MetersController(rest.RestController):  # type: ignore[misc]
    """/v2/meters"""

    @pecan.expose()  # type: ignore[untyped-decorator]
    def _lookup(self, meter_name: str, *remainder: str) -> tuple[MeterController, tuple[str, ...]]:
        return MeterController(meter_name), remainder

    @expose([Meter], [Query], int, str, str)
    def get_all(
        self, q: list[Query] | None = None, limit: int | None = None, unique: str = "", marker: str | None = None
    ) -> Any:
        """Return meters, one per resource, or with `unique` one per definition."""
        identity.enforce("get_meters")
        page = paging.page_of(limit, marker)
        parsed = simple.parse(scoping.limited(q, identity.scope()), simple.METERS)
        try:
            once = conversion.boolean(unique) if unique else bool(parsed.plain.get("unique"))
        except ValueError:
            once = False
        found = pecan.request.stores.metering.meters(sample_filter(parsed), page, once)
        return [Meter.from_record(one) for one in paging.items_of(found)]
