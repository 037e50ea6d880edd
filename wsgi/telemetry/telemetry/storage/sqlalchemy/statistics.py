"""Statistics: one pass over the samples of each unit, whatever the period and the groups."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import metadata, timestamps
from telemetry.errors import BadQueryError
from telemetry.storage.filters import Aggregate, StatisticsQuestion
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


def statistics(connection: sa.Connection, question: StatisticsQuestion) -> list[Statistics]:
    """Return the rows of all units, ordered by period, group and unit."""
    wanted = question.filter
    units: dict[str, list[int]] = {}
    for key, unit in conditions.meter_keys(connection, wanted.meter or ""):
        units.setdefault(unit, []).append(key)
    narrowed = _narrowed(connection, question)
    if narrowed is None:
        return []
    where, joins = narrowed
    found: list[Statistics] = []
    start = 0
    if question.period:
        begin = _first_bucket(connection, question, [key for keys in units.values() for key in keys], where, joins)
        if begin is None:
            return []
        start = begin
    for unit, keys in units.items():
        found.extend(_rows(connection, question, unit, [conditions.of_meters(keys), *where], joins, start))
    found.sort(key=lambda row: (row.period_start if row.period else timestamps.EPOCH,
                                [value or "" for value in (row.groupby or {}).values()], row.unit))
    return found


def _narrowed(connection: sa.Connection, question: StatisticsQuestion) -> tuple[list[Any], list[Any]] | None:
    """Return the conditions but the meter's, and the tables to join; None when nothing can match."""
    wanted = question.filter
    where = conditions.of_sample_of_any_meter(connection, wanted)
    if where is None:
        return None
    of_state = conditions.of_state(wanted)
    needs_state = (
        bool(of_state)
        or any(name in GROUP_COLUMNS for name in question.groupby)
        or any(one.func == "cardinality" and one.param != "resource_id" for one in question.aggregates)
    )
    joins: list[Any] = [(resource_state, resource_state.c.id == sample.c.state_id)] if needs_state else []
    return [*where, *of_state], joins


def _source(joins: Sequence[tuple[Any, Any, bool]] | Sequence[tuple[Any, Any]]) -> Any:
    source: Any = sample
    for table, condition, *outer in joins:
        source = source.join(table, condition, isouter=bool(outer))
    return source


def _first_bucket(
    connection: sa.Connection, question: StatisticsQuestion, keys: list[int], where: list[Any], joins: list[Any]
) -> int | None:
    """Return where the first bucket begins: the query's start, else the first sample. None without samples."""
    if question.filter.start is not None:
        return timestamps.to_microseconds(question.filter.start)
    first: int | None = connection.scalar(
        sa.select(sa.func.min(sample.c.timestamp)).select_from(_source(joins))
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
    connection: sa.Connection, question: StatisticsQuestion, unit: str, where: list[Any], joins: list[Any],
    start: int,
) -> list[Statistics]:
    joins = list(joins)
    span = question.period * SECOND
    groups = _group_columns(question.groupby, joins)
    if span:
        groups.append(whole_quotient(connection, sample.c.timestamp - start, span).label("bucket"))
    columns: list[Any] = [
        sa.func.min(sample.c.timestamp).label("first"), sa.func.max(sample.c.timestamp).label("last")
    ]
    for number, aggregate in enumerate(question.aggregates):
        columns.append(_function(aggregate).label(f"value_{number}"))
    query = sa.select(*groups, *columns).select_from(_source(joins)).where(*where)
    # By name: SQLite would compute an expression with bound values twice, once to group by it and once to show it.
    query = query.group_by(*(group.name for group in groups))
    keys = [aggregate.key for aggregate in question.aggregates]
    named = len(question.groupby)
    times = len(groups)
    moment = timestamps.from_microseconds
    found = []
    for row in connection.execute(query).all():
        first, last, *values = row[times:]
        if first is None:
            continue
        begin, end = first, last
        if span:
            begin = start + int(row[named]) * span
            end = begin + span
        try:
            found.append(Statistics(
                unit=unit, values=dict(zip(keys, values, strict=True)), duration_start=moment(first),
                duration_end=moment(last), period=question.period, period_start=moment(begin), period_end=moment(end),
                groupby=dict(zip(question.groupby, row, strict=False)) if named else None,
            ))
        except OverflowError as error:
            raise BadQueryError(f"Invalid period {question.period}: {error}") from error
    return found


def _function(aggregate: Aggregate) -> Any:
    if aggregate.func == "cardinality":
        return sa.func.count(sa.distinct(CARDINALITIES[aggregate.param or ""]))
    return FUNCTIONS[aggregate.func]
