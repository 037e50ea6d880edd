"""/v2/meters: meters, their samples and statistics, and posting samples."""

import datetime as dt
from typing import Any

import pecan
from pecan import rest

from telemetry import metadata, timestamps
from telemetry.api import identity, names, paging, posting, scoping
from telemetry.api.errors import ClientSideError, UnknownArgument
from telemetry.api.expose import expose
from telemetry.api.types.base import value_or
from telemetry.api.types.meters import Meter, OldSample
from telemetry.api.types.query import Aggregate, Query
from telemetry.api.types.statistics import Statistics
from telemetry.i18n import _
from telemetry.query import conversion, simple
from telemetry.storage import filters

STATISTICS_GROUPS = ("user_id", "resource_id", "project_id", "source")
CARDINALITIES = ("resource_id", "user_id", "project_id")


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
        samples = pecan.request.stores.metering.samples(parsed.sample_filter(meter=self.meter_name), page)
        return [OldSample.from_record(sample) for sample in paging.items_of(samples)]

    @expose([OldSample], str, body=[OldSample], status_code=201)
    def post(self, direct: str = "", samples: list[OldSample] | None = None) -> Any:
        """Post samples of the meter; `direct` stores them although a message bus is configured."""
        identity.enforce("create_samples")
        if not samples:
            raise ClientSideError(_("Samples should be included in request body"))
        try:
            store_directly = conversion.boolean(direct) if direct else False
        except ValueError:
            store_directly = False
        return posting.post(self.meter_name, samples, store_directly)

    @expose([Statistics], [Query], [str], int, [Aggregate])
    def statistics(
        self,
        q: list[Query] | None = None,
        groupby: list[str] | None = None,
        period: int | None = None,
        aggregate: list[Aggregate] | None = None,
    ) -> Any:
        """Return statistics of the meter's samples."""
        identity.enforce("compute_statistics")
        _check_period(period)
        groups = _groups(groupby or [])
        selected = _aggregates(aggregate or [])
        parsed = simple.parse(scoping.limited(q, identity.scope()), simple.SAMPLES)
        rows = pecan.request.stores.metering.statistics(
            filters.StatisticsRequest(
                parsed.sample_filter(meter=self.meter_name),
                period or 0,
                groups,
                selected or filters.STANDARD_AGGREGATES,
            )
        )
        times = parsed.times
        return [Statistics.from_record(row, bool(selected), times.requested_start, times.requested_end) for row in rows]


class MetersController(rest.RestController):  # type: ignore[misc]
    """/v2/meters"""

    @pecan.expose()  # type: ignore[untyped-decorator]
    def _lookup(self, meter_name: str, *remainder: str) -> tuple[MeterController, tuple[str, ...]]:
        return MeterController(names.from_path(meter_name)), remainder

    @expose([Meter], [Query], int, str, str)
    def get_all(
        self, q: list[Query] | None = None, limit: int | None = None, unique: str = "", marker: str | None = None
    ) -> Any:
        """Return meters, one per resource, or with `unique` one per definition."""
        identity.enforce("get_meters")
        page = paging.page_of(limit, marker)
        parsed = simple.parse(scoping.limited(q, identity.scope()), simple.METERS)
        try:
            unique_only = conversion.boolean(unique) if unique else bool(parsed.plain.get("unique"))
        except ValueError:
            unique_only = False
        meters = pecan.request.stores.metering.meters(parsed.sample_filter(), page, unique_only)
        return [Meter.from_record(meter) for meter in paging.items_of(meters)]


def _check_period(period: int | None) -> None:
    """Raise a 400 for a negative period, and for one that is longer than the calendar."""
    if not period:
        return
    if period < 0:
        raise ClientSideError(_("Period must be positive."))
    try:
        timestamps.utcnow() + dt.timedelta(seconds=period)
    except OverflowError as error:
        text = _("Invalid period %(period)s: %(error)s") % {"period": period, "error": error}
        raise ClientSideError(text) from None


def _groups(groupby: list[str]) -> list[str]:
    """Return the fields to group by, each once. Raises a 400 for an unknown field."""
    unknown = {name for name in groupby if name not in STATISTICS_GROUPS and not metadata.key_of(name)}
    if unknown:
        raise UnknownArgument(unknown, _("Invalid groupby fields"))
    return list(dict.fromkeys(groupby))


def _aggregates(requested: list[Aggregate]) -> list[filters.Aggregate]:
    """Return the requested aggregates, each once. Raises a 400 for an unknown function or parameter.

    If a URL has fewer parameters than functions, it does not say which function each parameter belongs to. Only
    cardinality takes a parameter, so the parameters go to the cardinalities in their order.
    """
    for item in requested:
        if item.func not in filters.AGGREGATE_FUNCTIONS:
            raise ClientSideError(_("Invalid aggregation function: %s") % item.func)
    parameters = [value_or(item.param, None) or None for item in requested]
    if None in parameters:
        present = iter([parameter for parameter in parameters if parameter is not None])
        parameters = [next(present, None) if item.func == "cardinality" else None for item in requested]
    aggregates: dict[str, filters.Aggregate] = {}
    for item, parameter in zip(requested, parameters, strict=True):
        if item.func == "cardinality" and parameter not in CARDINALITIES:
            raise ClientSideError(_("Bad aggregate: %(func)s.%(param)s") % {"func": item.func, "param": parameter})
        aggregate = filters.Aggregate(item.func, parameter)
        aggregates.setdefault(aggregate.key, aggregate)
    return list(aggregates.values())
