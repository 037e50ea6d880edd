"""Computes statistics. One query reads the samples of each unit once, for any period and groups."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import metadata, timestamps
from telemetry.storage.filters import Aggregate, StatisticsRequest
from telemetry.storage.records import Statistics
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.dialect import whole_quotient
from telemetry.storage.sqlalchemy.models import resource, resource_state, sample, state_metadata

SECOND = 1_000_000
GROUP_COLUMNS = {
    "user_id": resource_state.c.user_id,
    "project_id": resource_state.c.project_id,
    "source": resource_state.c.source,
}
CARDINALITIES = {
    "resource_id": sample.c.resource_id,
    "user_id": resource_state.c.user_id,
    "project_id": resource_state.c.project_id,
}
FUNCTIONS = {
    "max": sa.func.max(sample.c.volume),
    "min": sa.func.min(sample.c.volume),
    "avg": sa.func.avg(sample.c.volume),
    "sum": sa.func.sum(sample.c.volume),
    "stddev": sa.func.stddev_pop(sample.c.volume),
    "count": sa.func.count(),
}


def statistics(connection: sa.Connection, request: StatisticsRequest) -> list[Statistics]:
    """Return the rows of all units, ordered by period, group and unit."""
    criteria = request.filter
    units: dict[str, list[int]] = {}
    for key, unit in conditions.meter_keys(connection, criteria.meter or ""):
        units.setdefault(unit, []).append(key)
    narrowed = _narrowed(connection, request)
    if narrowed is None:
        return []
    where, joins = narrowed
    statistics_rows: list[Statistics] = []
    start = 0
    if request.period:
        begin = _first_bucket(connection, request, [key for keys in units.values() for key in keys], where, joins)
        if begin is None:
            return []
        start = begin
    for unit, keys in units.items():
        statistics_rows.extend(_rows(connection, request, unit, [conditions.of_meters(keys), *where], joins, start))
    statistics_rows.sort(
        key=lambda row: (
            row.period_start if row.period else timestamps.EPOCH,
            [value or "" for value in (row.groupby or {}).values()],
            row.unit,
        )
    )
    return statistics_rows


def _narrowed(connection: sa.Connection, request: StatisticsRequest) -> tuple[list[Any], list[Any]] | None:
    """Return the conditions without the one on the meter, and the tables to join, or None if no sample can match."""
    criteria = request.filter
    where = conditions.of_sample_of_any_meter(connection, criteria)
    if where is None:
        return None
    of_state = conditions.of_state(criteria)
    needs_state = (
        bool(of_state)
        or any(name in GROUP_COLUMNS for name in request.groupby)
        or any(aggregate.func == "cardinality" and aggregate.param != "resource_id" for aggregate in request.aggregates)
    )
    joins: list[Any] = [(resource_state, resource_state.c.id == sample.c.state_id)] if needs_state else []
    return [*where, *of_state], joins


def _source(joins: Sequence[tuple[Any, Any, bool]] | Sequence[tuple[Any, Any]]) -> Any:
    source: Any = sample
    for table, condition, *outer in joins:
        source = source.join(table, condition, isouter=bool(outer))
    return source


def _first_bucket(
    connection: sa.Connection, request: StatisticsRequest, keys: list[int], where: list[Any], joins: list[Any]
) -> int | None:
    """Return the start of the first period: the start of the query, or the first sample. None without samples."""
    if request.filter.start is not None:
        return timestamps.to_microseconds(request.filter.start)
    first: int | None = connection.scalar(
        sa.select(sa.func.min(sample.c.timestamp))
        .select_from(_source(joins))
        .where(sample.c.meter_id.in_(keys), *where)
    )
    return first


def _group_columns(groupby: Sequence[str], joins: list[Any]) -> list[Any]:
    columns: list[Any] = []
    for number, name in enumerate(groupby):
        if name == "resource_id":
            joins.append((resource, resource.c.id == sample.c.resource_id))
            columns.append(resource.c.resource_id.label(f"group_{number}"))
        elif name in GROUP_COLUMNS:
            columns.append(GROUP_COLUMNS[name].label(f"group_{number}"))
        else:
            leaf = state_metadata.alias(f"leaf_{number}")
            of_leaf = sa.and_(leaf.c.state_id == sample.c.state_id, leaf.c.key == metadata.key_of(name))
            joins.append((leaf, of_leaf, True))
            columns.append(leaf.c.text_value.label(f"group_{number}"))
    return columns


def _rows(
    connection: sa.Connection,
    request: StatisticsRequest,
    unit: str,
    where: list[Any],
    joins: list[Any],
    start: int,
) -> list[Statistics]:
    joins = list(joins)
    span = request.period * SECOND
    groups = _group_columns(request.groupby, joins)
    if span:
        groups.append(whole_quotient(connection, sample.c.timestamp - start, span).label("bucket"))
    columns: list[Any] = [sa.func.min(sample.c.timestamp).label("first"), sa.func.max(sample.c.timestamp).label("last")]
    for number, aggregate in enumerate(request.aggregates):
        columns.append(_function(aggregate).label(f"value_{number}"))
    query = sa.select(*groups, *columns).select_from(_source(joins)).where(*where)
    # Grouped by name: SQLite would compute an expression with bound values twice, to group and to return it.
    query = query.group_by(*(group.name for group in groups))
    keys = [aggregate.key for aggregate in request.aggregates]
    group_count = len(request.groupby)
    times = len(groups)
    statistics_rows = []
    for row in connection.execute(query).all():
        first, last, *values = row[times:]
        if first is None:
            continue
        begin, end = first, last
        if span:
            begin = start + int(row[group_count]) * span
            # The last period of the calendar ends with the calendar.
            end = min(begin + span, timestamps.LAST)
        statistics_rows.append(
            Statistics(
                unit=unit,
                values=dict(zip(keys, values, strict=True)),
                duration_start=timestamps.from_microseconds(first),
                duration_end=timestamps.from_microseconds(last),
                period=request.period,
                period_start=timestamps.from_microseconds(begin),
                period_end=timestamps.from_microseconds(end),
                groupby=dict(zip(request.groupby, row, strict=False)) if group_count else None,
            )
        )
    return statistics_rows


def _function(aggregate: Aggregate) -> Any:
    if aggregate.func == "cardinality":
        return sa.func.count(sa.distinct(CARDINALITIES[aggregate.param or ""]))
    return FUNCTIONS[aggregate.func]
