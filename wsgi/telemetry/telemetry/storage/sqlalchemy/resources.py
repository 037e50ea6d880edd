"""Lists resources. The queries read resource and resource_state, and samples only for a time range."""

from typing import Any

import sqlalchemy as sa

from telemetry import json_text, timestamps
from telemetry.storage.filters import Page, PageRequest, SampleFilter
from telemetry.storage.records import Resource
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.dialect import chunks
from telemetry.storage.sqlalchemy.models import meter, resource, resource_meter, resource_state, sample
from telemetry.storage.sqlalchemy.pages import Keyset

BY_ID = Keyset((resource.c.resource_id,))


def listing(connection: sa.Connection, criteria: SampleFilter, page: PageRequest, with_meters: bool) -> Page[Resource]:
    """List the resources with a sample that matches the filter, in the order of their ids."""
    of_state = conditions.of_state(criteria)
    times = conditions.period(sample.c.timestamp, criteria.start, criteria.start_op, criteria.end, criteria.end_op)
    query = sa.select(resource)
    if criteria.resource is not None:
        query = query.where(resource.c.resource_id == criteria.resource)
    if times:
        matching = sa.exists().where(sample.c.resource_id == resource.c.id, *times)
        if of_state:
            matching = matching.where(resource_state.c.id == sample.c.state_id, *of_state)
        query = query.where(matching)
    elif of_state:
        query = query.where(sa.exists().where(resource_state.c.resource_id == resource.c.id, *of_state))
    rows, next_marker = BY_ID.split(connection.execute(BY_ID.select_page(query, page)).all(), page)
    keys = [row.id for row in rows]
    if times:
        spans = _from_samples(connection, keys, of_state, times)
    elif of_state:
        spans = _from_states(connection, keys, of_state)
    else:
        spans = {row.id: (row.first_timestamp, row.last_timestamp, row.state_id) for row in rows}
    states = _states(connection, [state for _, _, state in spans.values()])
    meters = _meters(connection, keys) if with_meters else {}
    items = []
    for row in rows:
        # The expirer may delete a resource or state between two of these queries.
        if row.id not in spans or spans[row.id][2] not in states:
            continue
        first, last, state_id = spans[row.id]
        state = states[state_id]
        items.append(
            Resource(
                resource_id=row.resource_id,
                project_id=state.project_id,
                user_id=state.user_id,
                source=state.source,
                metadata=json_text.loads_stored(state.metadata),
                meters=meters.get(row.id, []),
                first_sample_timestamp=timestamps.from_microseconds(first),
                last_sample_timestamp=timestamps.from_microseconds(last),
            )
        )
    return Page(items, next_marker)


Spans = dict[int, tuple[int, int, int]]


def _from_states(connection: sa.Connection, keys: list[int], of_state: list[Any]) -> Spans:
    spans: Spans = {}
    for chunk in chunks(keys):
        for row in connection.execute(
            sa.select(
                resource_state.c.resource_id,
                resource_state.c.id,
                resource_state.c.first_timestamp,
                resource_state.c.last_timestamp,
            )
            .where(resource_state.c.resource_id.in_(chunk), *of_state)
            .order_by(resource_state.c.last_timestamp, resource_state.c.id)
        ):
            first, _, _ = spans.get(row.resource_id, (row.first_timestamp, 0, 0))
            spans[row.resource_id] = (min(first, row.first_timestamp), row.last_timestamp, row.id)
    return spans


def _from_samples(connection: sa.Connection, keys: list[int], of_state: list[Any], times: list[Any]) -> Spans:
    spans: Spans = {}
    for key in keys:
        # The first and the last entry of an index range, which costs the same for any number of samples.
        query = sa.select(sample.c.timestamp, sample.c.state_id).where(sample.c.resource_id == key, *times)
        if of_state:
            query = query.join(resource_state, resource_state.c.id == sample.c.state_id).where(*of_state)
        first = connection.execute(query.order_by(sample.c.timestamp).limit(1)).first()
        last = connection.execute(query.order_by(sample.c.timestamp.desc()).limit(1)).first()
        if first and last:
            # A query of its own: MariaDB sorts all matches if an index has only the first of two sort columns.
            same = query.where(sample.c.timestamp == last.timestamp)
            state = connection.scalar(same.with_only_columns(sample.c.state_id).order_by(sample.c.id.desc()).limit(1))
            spans[key] = (first.timestamp, last.timestamp, state or last.state_id)
    return spans


def _states(connection: sa.Connection, keys: list[int]) -> dict[int, Any]:
    states: dict[int, Any] = {}
    for chunk in chunks(keys):
        for row in connection.execute(sa.select(resource_state).where(resource_state.c.id.in_(chunk))):
            states[row.id] = row
    return states


def _meters(connection: sa.Connection, keys: list[int]) -> dict[int, list[str]]:
    meters: dict[int, list[str]] = {}
    for chunk in chunks(keys):
        for row in connection.execute(
            sa.select(resource_meter.c.resource_id, meter.c.name)
            .join(meter, meter.c.id == resource_meter.c.meter_id)
            .where(resource_meter.c.resource_id.in_(chunk))
            .order_by(meter.c.name)
        ):
            names = meters.setdefault(row.resource_id, [])
            if row.name not in names:
                names.append(row.name)
    return meters
