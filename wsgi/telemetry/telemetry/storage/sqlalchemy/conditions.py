"""Filters as SQL conditions."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import timestamps
from telemetry.storage.filters import NULL, MetadataTerm, Owner, SampleFilter
from telemetry.storage.leaves import typed_leaf
from telemetry.storage.sqlalchemy.models import meter, resource, resource_state, sample, state_metadata

Condition = sa.ColumnElement[bool]
COMPARISONS = {
    "lt": "__lt__",
    "le": "__le__",
    "eq": "__eq__",
    "ne": "__ne__",
    "ge": "__ge__",
    "gt": "__gt__",
}


def compare(column: Any, op: str, value: Any) -> Condition:
    """Return `column op value` for an op of the API."""
    condition: Condition = getattr(column, COMPARISONS[op])(value)
    return condition


def owner(column: Any, value: Owner) -> Condition:
    """Return the condition that a column has the owner's value, or is NULL."""
    condition: Condition = column.is_(None) if value is NULL else column == value
    return condition


def period(
    column: Any, start: dt.datetime | None, start_op: str, end: dt.datetime | None, end_op: str
) -> list[Condition]:
    """Return the conditions that a time is in a range. None leaves an end open."""
    where = []
    if start is not None:
        where.append(compare(column, "gt" if start_op == "gt" else "ge", timestamps.to_microseconds(start)))
    if end is not None:
        where.append(compare(column, "le" if end_op == "le" else "lt", timestamps.to_microseconds(end)))
    return where


def metadata_term(term: MetadataTerm) -> Condition:
    """Return the condition that a state has a metadata value of the same type."""
    value = term.value.isoformat() if isinstance(term.value, dt.datetime) else term.value
    columns = typed_leaf(value)
    table = state_metadata.alias()
    conditions = [table.c.state_id == resource_state.c.id, table.c.key == term.key, table.c.kind == columns["kind"]]
    if columns["kind"] == "text":
        conditions.append(table.c.text_value == columns["text_value"])
    elif columns["kind"] == "float":
        conditions.append(table.c.float_value == columns["float_value"])
    else:
        conditions.append(table.c.int_value == columns["int_value"])
    return sa.exists().where(*conditions)


def of_state(criteria: SampleFilter) -> list[Condition]:
    """Return the conditions on resource_state: owner, source and metadata."""
    where = []
    if criteria.user is not None:
        where.append(owner(resource_state.c.user_id, criteria.user))
    if criteria.project is not None:
        where.append(owner(resource_state.c.project_id, criteria.project))
    if criteria.source is not None:
        where.append(resource_state.c.source == criteria.source)
    where.extend(metadata_term(term) for term in criteria.metadata)
    return where


def resource_key(connection: sa.Connection, resource_id: str) -> int | None:
    """Return the internal id of a resource, or None."""
    return connection.scalar(sa.select(resource.c.id).where(resource.c.resource_id == resource_id))


def meter_keys(connection: sa.Connection, name: str) -> Sequence[tuple[int, str]]:
    """Return (internal id, unit) of each definition of a meter."""
    return connection.execute(sa.select(meter.c.id, meter.c.unit).where(meter.c.name == name)).all()


def of_meters(keys: Sequence[int]) -> Condition:
    """Return the condition that a sample belongs to one of the meters with these internal ids."""
    return sample.c.meter_id == keys[0] if len(keys) == 1 else sample.c.meter_id.in_(keys)


def of_sample(connection: sa.Connection, criteria: SampleFilter) -> list[Condition] | None:
    """Return the conditions on the table sample alone, or None if no sample can match.

    The conditions on the sample's state are those of `of_state`.
    """
    where = of_sample_of_any_meter(connection, criteria)
    if where is None or criteria.meter is None:
        return where
    keys = [key for key, _ in meter_keys(connection, criteria.meter)]
    return [of_meters(keys), *where] if keys else None


def of_sample_of_any_meter(connection: sa.Connection, criteria: SampleFilter) -> list[Condition] | None:
    """Return the conditions of `of_sample` without the one on the meter, or None if no sample can match."""
    where = period(sample.c.timestamp, criteria.start, criteria.start_op, criteria.end, criteria.end_op)
    if criteria.resource is not None:
        key = resource_key(connection, criteria.resource)
        if key is None:
            return None
        where.append(sample.c.resource_id == key)
    if criteria.message_id is not None:
        where.append(sample.c.message_id == criteria.message_id)
    return where
