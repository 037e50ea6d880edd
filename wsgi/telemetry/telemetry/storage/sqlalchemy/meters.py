"""Listings of meters: from resource_meter and meter, never from samples."""

from typing import Any

import sqlalchemy as sa

from telemetry.storage import marker
from telemetry.storage.filters import Page, PageRequest, SampleFilter
from telemetry.storage.records import Meter
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.models import meter, resource, resource_meter, resource_state

PAIRS = resource_meter.join(resource_state, resource_state.c.id == resource_meter.c.state_id)


def _wanted(connection: sa.Connection, wanted: SampleFilter) -> list[Any] | None:
    found = conditions.of_state(wanted)
    if wanted.resource is not None:
        key = conditions.resource_key(connection, wanted.resource)
        if key is None:
            return None
        found.append(resource_meter.c.resource_id == key)
    return found


def listing(connection: sa.Connection, wanted: SampleFilter, page: PageRequest) -> Page[Meter]:
    """List (meter, resource) pairs by the meter's and then the resource's age."""
    found = _wanted(connection, wanted)
    if found is None:
        return Page([])
    pairs = sa.select(resource_meter).select_from(PAIRS if conditions.of_state(wanted) else resource_meter)
    pairs = pairs.where(*found)
    if page.marker:
        first, second = marker.decode(page.marker, (int, int))
        pairs = pairs.where(
            resource_meter.c.meter_id >= first,
            sa.or_(resource_meter.c.meter_id > first, resource_meter.c.resource_id > second),
        )
    pairs = pairs.order_by(resource_meter.c.meter_id, resource_meter.c.resource_id)
    if page.limit is not None:
        pairs = pairs.limit(page.limit + 1)
    chosen = pairs.subquery()
    rows = connection.execute(
        sa.select(
            chosen.c.meter_id, chosen.c.resource_id.label("key"), meter.c.name, meter.c.type, meter.c.unit,
            resource.c.resource_id, resource_state.c.project_id, resource_state.c.user_id, resource_state.c.source,
        )
        .select_from(
            chosen.join(meter, meter.c.id == chosen.c.meter_id)
            .join(resource, resource.c.id == chosen.c.resource_id)
            .join(resource_state, resource_state.c.id == chosen.c.state_id)
        )
        .order_by(chosen.c.meter_id, chosen.c.resource_id)
    ).all()
    following = None
    if page.limit is not None and len(rows) > page.limit:
        rows = rows[:page.limit]
        following = marker.encode((rows[-1].meter_id, rows[-1].key))
    return Page(
        [
            Meter(row.name, row.type, row.unit, row.resource_id, row.project_id, row.user_id, row.source)
            for row in rows
        ],
        following,
    )


def unique(connection: sa.Connection, wanted: SampleFilter, page: PageRequest) -> Page[Meter]:
    """List definitions of meters that have a pair in the filter, oldest first."""
    found = _wanted(connection, wanted)
    if found is None:
        return Page([])
    query = sa.select(meter)
    if found:
        query = query.where(
            sa.exists().select_from(PAIRS).where(resource_meter.c.meter_id == meter.c.id, *found)
        )
    if page.marker:
        (first,) = marker.decode(page.marker, (int,))
        query = query.where(meter.c.id > first)
    query = query.order_by(meter.c.id)
    if page.limit is not None:
        query = query.limit(page.limit + 1)
    rows = connection.execute(query).all()
    following = None
    if page.limit is not None and len(rows) > page.limit:
        rows = rows[:page.limit]
        following = marker.encode((rows[-1].id,))
    return Page([Meter(row.name, row.type, row.unit, None, None, None, None) for row in rows], following)
