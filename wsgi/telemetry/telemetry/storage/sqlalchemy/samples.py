"""Listings of samples."""

import json
from typing import Any

import sqlalchemy as sa

from telemetry import timestamps
from telemetry.storage import marker
from telemetry.storage.filters import Page, PageRequest, SampleFilter
from telemetry.storage.records import Sample
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.models import meter, resource, resource_state, sample

COLUMNS = (
    sample.c.id, sample.c.volume, sample.c.timestamp, sample.c.recorded_at, sample.c.message_id,
    sample.c.message_signature, meter.c.name, meter.c.type, meter.c.unit, resource.c.resource_id,
    resource_state.c.user_id, resource_state.c.project_id, resource_state.c.source, resource_state.c.metadata,
)
SOURCE = (
    sample.join(meter, meter.c.id == sample.c.meter_id)
    .join(resource, resource.c.id == sample.c.resource_id)
    .join(resource_state, resource_state.c.id == sample.c.state_id)
)


def from_row(row: Any) -> Sample:
    """Return the sample of a row of COLUMNS."""
    return Sample(
        meter=row.name, type=row.type, unit=row.unit, volume=row.volume, user_id=row.user_id,
        project_id=row.project_id, resource_id=row.resource_id, source=row.source,
        timestamp=timestamps.from_microseconds(row.timestamp), metadata=json.loads(row.metadata),
        message_id=row.message_id, message_signature=row.message_signature,
        recorded_at=timestamps.from_microseconds(row.recorded_at),
    )


def listing(connection: sa.Connection, wanted: SampleFilter, page: PageRequest) -> Page[Sample]:
    """List samples, newest first; equal times in the order of arrival, last first."""
    of_sample = conditions.of_sample(connection, wanted)
    if of_sample is None:
        return Page([])
    of_state = conditions.of_state(wanted)
    # The ids first, from an index: what is shown of a sample is read for the page alone.
    ids = sa.select(sample.c.id, sample.c.timestamp).where(*of_sample)
    if of_state:
        ids = ids.join(resource_state, resource_state.c.id == sample.c.state_id).where(*of_state)
    if page.marker:
        time, key = marker.decode(page.marker, (int, int))
        ids = ids.where(
            sample.c.timestamp <= time, sa.or_(sample.c.timestamp < time, sample.c.id < key)
        )
    if page.limit is not None and connection.dialect.name == "mysql":
        # MariaDB sorts all matches when an index gives it the first of two sort columns only.
        newest = ids.with_only_columns(sample.c.timestamp).order_by(sample.c.timestamp.desc())
        edge = connection.scalar(newest.offset(page.limit).limit(1))
        if edge is not None:
            ids = ids.where(sample.c.timestamp >= edge)
    ids = ids.order_by(sample.c.timestamp.desc(), sample.c.id.desc())
    if page.limit is not None:
        ids = ids.limit(page.limit + 1)
    chosen = ids.subquery()
    rows = connection.execute(
        sa.select(*COLUMNS).select_from(SOURCE.join(chosen, chosen.c.id == sample.c.id))
        .order_by(sample.c.timestamp.desc(), sample.c.id.desc())
    ).all()
    following = None
    if page.limit is not None and len(rows) > page.limit:
        rows = rows[:page.limit]
        following = marker.encode((rows[-1].timestamp, rows[-1].id))
    return Page([from_row(row) for row in rows], following)
