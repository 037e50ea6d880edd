"""Deletes old rows, in short transactions between which other writers can work."""

import datetime as dt

import sqlalchemy as sa

from telemetry import timestamps
from telemetry.storage.sqlalchemy.engine import Database
from telemetry.storage.sqlalchemy.models import (
    alarm_history,
    event,
    event_type,
    event_type_trait,
    meter,
    resource,
    resource_meter,
    resource_state,
    sample,
    state_metadata,
    trait,
)

# Rows deleted in one transaction.
STEP = 5000


def _in_steps(database: Database, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    """Delete the rows of a table with a column `id` that match, STEP rows in a transaction. Return their number."""

    def step(connection: sa.Connection) -> int:
        keys = list(connection.scalars(sa.select(table.c.id).where(*where).limit(STEP)))
        if keys:
            if table is event:
                connection.execute(sa.delete(trait).where(trait.c.event_id.in_(keys)))
            if table is resource_state:
                connection.execute(sa.delete(state_metadata).where(state_metadata.c.state_id.in_(keys)))
            connection.execute(sa.delete(table).where(table.c.id.in_(keys), *where))
        return len(keys)

    total = 0
    while deleted := database.write(step):
        total += deleted
    return total


def samples(database: Database, before: dt.datetime, samples_only: bool) -> int:
    """Delete samples older than `before`. Return their number.

    Unless `samples_only`, also delete the states, meters and resources without samples, and correct the first
    timestamps of the others.
    """
    oldest_kept = timestamps.to_microseconds(before)
    deleted = _in_steps(database, sample, sample.c.timestamp < oldest_kept)
    if samples_only:
        return deleted
    used_states = sa.select(sample.c.state_id).where(sample.c.state_id == resource_state.c.id)
    _in_steps(database, resource_state, resource_state.c.last_timestamp < oldest_kept, ~used_states.exists())

    def orphans(connection: sa.Connection) -> None:
        pair = sa.exists().where(
            sample.c.meter_id == resource_meter.c.meter_id, sample.c.resource_id == resource_meter.c.resource_id
        )
        connection.execute(
            sa.delete(resource_meter).where(~sa.exists().where(resource_state.c.id == resource_meter.c.state_id))
        )
        old = sa.select(resource.c.id).where(resource.c.first_timestamp < oldest_kept)
        connection.execute(sa.delete(resource_meter).where(resource_meter.c.resource_id.in_(old), ~pair))
        in_use = sa.exists().where(resource_meter.c.meter_id == meter.c.id)
        has_samples = sa.exists().where(sample.c.meter_id == meter.c.id)
        connection.execute(sa.delete(meter).where(~in_use, ~has_samples))

    database.write(orphans)
    has_states = sa.exists().where(resource_state.c.resource_id == resource.c.id)
    _in_steps(database, resource, resource.c.last_timestamp < oldest_kept, ~has_states)
    database.write(lambda connection: _correct_first_timestamps(connection, oldest_kept))
    return deleted


def _correct_first_timestamps(connection: sa.Connection, oldest_kept: int) -> None:
    for table, column in ((resource, sample.c.resource_id), (resource_state, sample.c.state_id)):
        first = sa.select(sa.func.min(sample.c.timestamp)).where(column == table.c.id).scalar_subquery()
        connection.execute(
            sa.update(table)
            .where(table.c.first_timestamp < oldest_kept, sa.exists().where(column == table.c.id))
            .values(first_timestamp=first)
        )


def events(database: Database, before: dt.datetime) -> int:
    """Delete events generated before `before`, and then event types without events. Return the number of events."""
    deleted = _in_steps(database, event, event.c.generated < timestamps.to_microseconds(before))

    def orphans(connection: sa.Connection) -> None:
        used = sa.exists().where(event.c.event_type_id == event_type_trait.c.event_type_id)
        connection.execute(sa.delete(event_type_trait).where(~used))
        connection.execute(sa.delete(event_type).where(~sa.exists().where(event.c.event_type_id == event_type.c.id)))

    database.write(orphans)
    return deleted


def alarm_changes(database: Database, before: dt.datetime) -> int:
    """Delete alarm changes older than `before`. Return their number."""
    oldest_kept = timestamps.to_microseconds(before)
    return database.write(
        lambda connection: (
            connection.execute(sa.delete(alarm_history).where(alarm_history.c.timestamp < oldest_kept)).rowcount
        )
    )
