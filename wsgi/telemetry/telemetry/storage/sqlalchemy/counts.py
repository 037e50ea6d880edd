"""Counts rows, to compare a copy with its source."""

import sqlalchemy as sa

from telemetry.storage.interface import Counts
from telemetry.storage.sqlalchemy.models import alarm, alarm_history, event, meter, resource, sample, trait


def _count(connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool] | None = None) -> int:
    query = sa.select(sa.func.count()).select_from(table)
    return int(connection.scalar(query if where is None else query.where(where)) or 0)


def metering(connection: sa.Connection) -> Counts:
    """Count samples, and the meters and resources that have samples."""
    of_meter = sa.exists().where(sample.c.meter_id == meter.c.id)
    of_resource = sa.exists().where(sample.c.resource_id == resource.c.id)
    return {
        "samples": _count(connection, sample),
        "meters": _count(connection, meter, of_meter),
        "resources": _count(connection, resource, of_resource),
    }


def alarms(connection: sa.Connection) -> Counts:
    """Count alarms and the entries of their history."""
    return {"alarms": _count(connection, alarm), "alarm changes": _count(connection, alarm_history)}


def events(connection: sa.Connection) -> Counts:
    """Count events and their traits."""
    return {"events": _count(connection, event), "traits": _count(connection, trait)}
