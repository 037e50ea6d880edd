"""Lists samples."""

from typing import Any

import sqlalchemy as sa

from telemetry import json_text, timestamps
from telemetry.storage.filters import Page, PageRequest, SampleFilter
from telemetry.storage.records import Sample
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.dialect import CHUNK
from telemetry.storage.sqlalchemy.models import meter, resource, resource_state, sample
from telemetry.storage.sqlalchemy.pages import Keyset

NEWEST_FIRST = Keyset((sample.c.timestamp, sample.c.id), descending=True)
AS_STORED = Keyset((sample.c.id,))
COLUMNS = (
    sample.c.id,
    sample.c.volume,
    sample.c.timestamp,
    sample.c.recorded_at,
    sample.c.message_id,
    sample.c.message_signature,
    meter.c.name,
    meter.c.type,
    meter.c.unit,
    resource.c.resource_id,
    resource_state.c.user_id,
    resource_state.c.project_id,
    resource_state.c.source,
    resource_state.c.metadata,
)
SOURCE = (
    sample.join(meter, meter.c.id == sample.c.meter_id)
    .join(resource, resource.c.id == sample.c.resource_id)
    .join(resource_state, resource_state.c.id == sample.c.state_id)
)

# A list for an owner searches the newest samples first: this many times the length of the list.
WINDOW = 50


def from_row(row: Any) -> Sample:
    """Return the sample of a row of COLUMNS."""
    return Sample(
        meter=row.name,
        type=row.type,
        unit=row.unit,
        volume=row.volume,
        user_id=row.user_id,
        project_id=row.project_id,
        resource_id=row.resource_id,
        source=row.source,
        timestamp=timestamps.from_microseconds(row.timestamp),
        metadata=json_text.loads_stored(row.metadata),
        message_id=row.message_id,
        message_signature=row.message_signature,
        recorded_at=timestamps.from_microseconds(row.recorded_at),
    )


def _newest_first(query: Any, of: Any) -> Any:
    return query.order_by(of.c.timestamp.desc(), of.c.id.desc())


def _time_at(connection: sa.Connection, query: Any, offset: int) -> int | None:
    """Return the time of the sample after `offset` newer samples, or None if there are fewer samples."""
    newest = query.with_only_columns(sample.c.timestamp).order_by(sample.c.timestamp.desc())
    time: int | None = connection.scalar(newest.offset(offset).limit(1))
    return time


def _among_newest(connection: sa.Connection, of_sample: list[Any], of_state: list[Any], count: int) -> Any:
    """Return a subquery for the ids of `count` matching samples, or None if the newest samples hold fewer matches.

    Only the newest samples are searched. A database that looks up the owner first would sort all samples of the owner
    to list the last hundred.
    """
    query = sa.select(sample.c.id, sample.c.timestamp, sample.c.state_id).where(*of_sample)
    oldest = _time_at(connection, query, count * WINDOW)
    if oldest is None:
        return None
    # The limit cuts nothing off. It makes the database evaluate this subquery first.
    newest = query.where(sample.c.timestamp > oldest).limit(count * WINDOW).subquery()
    matching = (
        sa.select(newest.c.id, newest.c.timestamp)
        .join(resource_state, resource_state.c.id == newest.c.state_id)
        .where(*of_state)
    )
    rows = connection.execute(_newest_first(matching, newest).limit(count)).all()
    if len(rows) < count:
        return None
    return sa.select(sample.c.id).where(sample.c.id.in_([row.id for row in rows])).subquery()


def _among_all(connection: sa.Connection, of_sample: list[Any], of_state: list[Any], limit: int | None) -> Any:
    # An index provides the ids. The other columns are read for the samples of the page only.
    ids = sa.select(sample.c.id).where(*of_sample)
    if of_state:
        ids = ids.join(resource_state, resource_state.c.id == sample.c.state_id).where(*of_state)
    if limit is not None and connection.dialect.name == "mysql":
        # MariaDB sorts all matches if an index has only the first of two sort columns.
        oldest = _time_at(connection, ids, limit)
        if oldest is not None:
            ids = ids.where(sample.c.timestamp >= oldest)
    ids = _newest_first(ids, sample)
    return (ids if limit is None else ids.limit(limit + 1)).subquery()


def listing(connection: sa.Connection, criteria: SampleFilter, page: PageRequest) -> Page[Sample]:
    """List samples, newest first. Of samples with the same time, the one stored last comes first."""
    of_sample = conditions.of_sample(connection, criteria)
    if of_sample is None:
        return Page([])
    of_state = conditions.of_state(criteria)
    of_sample += NEWEST_FIRST.after(page)
    ids = None
    if page.limit is not None and page.limit < CHUNK and of_state:
        ids = _among_newest(connection, of_sample, of_state, page.limit + 1)
    if ids is None:
        ids = _among_all(connection, of_sample, of_state, page.limit)
    rows = connection.execute(
        sa.select(*COLUMNS)
        .select_from(SOURCE.join(ids, ids.c.id == sample.c.id))
        .order_by(sample.c.timestamp.desc(), sample.c.id.desc())
    ).all()
    rows, next_marker = NEWEST_FIRST.split(rows, page)
    return Page([from_row(row) for row in rows], next_marker)


def stored(connection: sa.Connection, page: PageRequest) -> Page[Sample]:
    """List samples in the order in which they were stored."""
    ids = AS_STORED.select_page(sa.select(sample.c.id), page).subquery()
    query = sa.select(*COLUMNS).select_from(SOURCE.join(ids, ids.c.id == sample.c.id)).order_by(sample.c.id)
    rows, next_marker = AS_STORED.split(connection.execute(query).all(), page)
    return Page([from_row(row) for row in rows], next_marker)
