"""Lists meters. The queries read resource_meter and meter, not the samples."""

from typing import Any

import sqlalchemy as sa

from telemetry.storage.filters import Page, PageRequest, SampleFilter
from telemetry.storage.records import Meter
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.models import meter, resource, resource_meter, resource_state
from telemetry.storage.sqlalchemy.pages import Keyset

# Ids grow, so the older of two meters has the smaller id.
BY_AGE = Keyset((resource_meter.c.meter_id, resource_meter.c.resource_id))
UNIQUE_BY_AGE = Keyset((meter.c.id,))
PAIRS = resource_meter.join(resource_state, resource_state.c.id == resource_meter.c.state_id)


def _conditions(connection: sa.Connection, criteria: SampleFilter) -> list[Any] | None:
    where = conditions.of_state(criteria)
    if criteria.resource is not None:
        key = conditions.resource_key(connection, criteria.resource)
        if key is None:
            return None
        where.append(resource_meter.c.resource_id == key)
    return where


def listing(connection: sa.Connection, criteria: SampleFilter, page: PageRequest) -> Page[Meter]:
    """List the pairs of a meter and a resource, ordered by the age of the meter, then of the resource."""
    where = _conditions(connection, criteria)
    if where is None:
        return Page([])
    pairs = sa.select(resource_meter).select_from(PAIRS if conditions.of_state(criteria) else resource_meter)
    page_of_pairs = BY_AGE.select_page(pairs.where(*where), page).subquery()
    rows = connection.execute(
        sa.select(
            page_of_pairs.c.meter_id,
            page_of_pairs.c.resource_id.label("resource_key"),
            meter.c.name,
            meter.c.type,
            meter.c.unit,
            resource.c.resource_id,
            resource_state.c.project_id,
            resource_state.c.user_id,
            resource_state.c.source,
        )
        .select_from(
            page_of_pairs.join(meter, meter.c.id == page_of_pairs.c.meter_id)
            .join(resource, resource.c.id == page_of_pairs.c.resource_id)
            .join(resource_state, resource_state.c.id == page_of_pairs.c.state_id)
        )
        .order_by(page_of_pairs.c.meter_id, page_of_pairs.c.resource_id)
    ).all()
    rows, next_marker = BY_AGE.split(rows, page, ["meter_id", "resource_key"])
    return Page(
        [Meter(row.name, row.type, row.unit, row.resource_id, row.project_id, row.user_id, row.source) for row in rows],
        next_marker,
    )


def unique(connection: sa.Connection, criteria: SampleFilter, page: PageRequest) -> Page[Meter]:
    """List each meter once that has a resource which matches the filter, oldest first."""
    where = _conditions(connection, criteria)
    if where is None:
        return Page([])
    query = sa.select(meter)
    if where:
        query = query.where(sa.exists().select_from(PAIRS).where(resource_meter.c.meter_id == meter.c.id, *where))
    rows = connection.execute(UNIQUE_BY_AGE.select_page(query, page)).all()
    rows, next_marker = UNIQUE_BY_AGE.split(rows, page)
    return Page([Meter(row.name, row.type, row.unit, None, None, None, None) for row in rows], next_marker)
