"""Statistics of a meter: from the request's parameters to the question, and back to rows."""

import datetime as dt

import pecan

from telemetry import timestamps
from telemetry.api.errors import ClientSideError, UnknownArgument
from telemetry.api.types.base import value_or
from telemetry.api.types.query import Aggregate, Query
from telemetry.api.types.statistics import Statistics
from telemetry.i18n import _
from telemetry.query import simple
from telemetry.storage import filters

FUNCTIONS = ("max", "min", "avg", "sum", "count", "stddev", "cardinality")
CARDINALITIES = ("resource_id", "user_id", "project_id")
GROUPS = ("user_id", "resource_id", "project_id", "source")
METADATA_PREFIXES = ("resource_metadata.", "metadata.")


def statistics_of(
    meter_name: str, queries: list[Query], groupby: list[str] | None, period: int | None,
    aggregate: list[Aggregate] | None,
) -> list[Statistics]:
    """Return the rows. Raises 400s."""
    if period and period < 0:
        raise ClientSideError(_("Period must be positive."))
    if period:
        try:
            timestamps.utcnow() + dt.timedelta(seconds=period)
        except OverflowError as error:
            text = _("Invalid period %(period)s: %(error)s") % {"period": period, "error": error}
            raise ClientSideError(text) from None
    groups = _groups(groupby or [])
    selected = _aggregates(aggregate or [])
    parsed = simple.parse(queries, simple.SAMPLES)
    # Imported late: the meters' controller uses this module.
    from telemetry.api.controllers.v2.meters import sample_filter

    rows = pecan.request.stores.metering.statistics(filters.StatisticsQuestion(
        sample_filter(parsed, meter=meter_name), period or 0, groups, selected or filters.STANDARD_AGGREGATES
    ))
    times = parsed.times
    return [Statistics.from_record(row, bool(selected), times.asked_start, times.asked_end) for row in rows]


def _groups(groupby: list[str]) -> list[str]:
    bad = {
        name for name in groupby
        if name not in GROUPS and not any(name.startswith(p) and len(name) > len(p) for p in METADATA_PREFIXES)
    }
    if bad:
        raise UnknownArgument(bad, _("Invalid groupby fields"))
    return list(dict.fromkeys(groupby))


def _aggregates(wanted: list[Aggregate]) -> list[filters.Aggregate]:
    """Check functions and their parameters, and drop what stands twice.

    A URL with fewer parameters than functions does not say to which each belongs. Only cardinality takes one, so
    they go to the cardinalities in their order.
    """
    for one in wanted:
        if one.func not in FUNCTIONS:
            raise ClientSideError(_("Invalid aggregation function: %s") % one.func)
    parameters = [value_or(one.param, None) for one in wanted]
    if None in parameters:
        given = iter([parameter for parameter in parameters if parameter is not None])
        parameters = [next(given, None) if one.func == "cardinality" else None for one in wanted]
    found: dict[str, filters.Aggregate] = {}
    for one, parameter in zip(wanted, parameters, strict=True):
        if one.func == "cardinality" and parameter not in CARDINALITIES:
            raise ClientSideError(_("Bad aggregate: %(func)s.%(param)s") % {"func": one.func, "param": parameter})
        aggregate = filters.Aggregate(one.func, parameter)
        found.setdefault(aggregate.key, aggregate)
    return list(found.values())
