"""Leases, and changes of the states of alarms."""

import datetime as dt
import logging
from collections.abc import Sequence

import sqlalchemy as sa

from telemetry import timestamps
from telemetry.storage.records import Alarm, AlarmChange, Lease, Notification
from telemetry.storage.sqlalchemy import alarms, notifications
from telemetry.storage.sqlalchemy.dialect import chunks
from telemetry.storage.sqlalchemy.models import alarm, alarm_lease

LOG = logging.getLogger(__name__)
NEVER = timestamps.to_microseconds(timestamps.EPOCH)


def alarms_between(connection: sa.Connection, first: str, end: str | None) -> list[Alarm]:
    """List the enabled alarms whose ids are in a range, by their ids."""
    where = [alarm.c.enabled.is_(True), alarm.c.alarm_id >= first]
    if end is not None:
        where.append(alarm.c.alarm_id < end)
    rows = connection.execute(sa.select(alarm).where(*where).order_by(alarm.c.alarm_id))
    listed = []
    for row in rows:
        try:
            listed.append(alarms.from_row(row))
        except (ValueError, TypeError) as error:
            LOG.error("Alarm %s cannot be read: %s", row.alarm_id, error)
    return listed


def states(connection: sa.Connection, alarm_ids: Sequence[str]) -> dict[str, str]:
    """Return the states of alarms by their ids."""
    by_id: dict[str, str] = {}
    for chunk in chunks(alarm_ids):
        rows = connection.execute(sa.select(alarm.c.alarm_id, alarm.c.state).where(alarm.c.alarm_id.in_(chunk)))
        by_id.update({row.alarm_id: row.state for row in rows})
    return by_id


def change_state(
    connection: sa.Connection,
    record: Alarm,
    state: str,
    now: dt.datetime,
    change: AlarmChange | None,
    pending: Sequence[Notification],
) -> bool:
    """Set the state of an alarm that is as `record` has it, and store the change and the notifications."""
    as_read = (
        alarm.c.alarm_id == record.alarm_id,
        alarm.c.state == record.state,
        alarm.c.enabled.is_(True),
        alarm.c.timestamp == timestamps.to_microseconds(record.timestamp),
    )
    values: dict[str, object] = {"state": state}
    if state != record.state:
        values["state_timestamp"] = timestamps.to_microseconds(now)
    if not connection.execute(sa.update(alarm).where(*as_read).values(values)).rowcount:
        return False
    alarms.add_to_history(connection, change)
    notifications.add(connection, pending)
    return True


def leases(connection: sa.Connection) -> list[Lease]:
    """List all leases, by their names."""
    return [
        Lease(
            row.name,
            row.owner,
            timestamps.from_microseconds(row.expires),
            timestamps.from_microseconds(row.begun),
        )
        for row in connection.execute(sa.select(alarm_lease).order_by(alarm_lease.c.name))
    ]


def take(
    connection: sa.Connection, names: Sequence[str], owner: str, now: dt.datetime, expires: dt.datetime
) -> list[str]:
    """Take the leases that are free or expired. Return their names."""
    table = alarm_lease
    known = set(connection.scalars(sa.select(table.c.name).where(table.c.name.in_(names))))
    end = timestamps.to_microseconds(expires)
    taken = []
    for name in names:
        if name not in known:
            # Another process that inserts the same row makes this transaction start again.
            connection.execute(sa.insert(table).values(name=name, owner=owner, expires=end, begun=NEVER))
            taken.append(name)
            continue
        free = sa.or_(table.c.owner == owner, table.c.expires <= timestamps.to_microseconds(now))
        statement = sa.update(table).where(table.c.name == name, free).values(owner=owner, expires=end)
        if connection.execute(statement).rowcount:
            taken.append(name)
    return taken


def renew(connection: sa.Connection, owner: str, expires: dt.datetime) -> list[str]:
    """Set the end of the leases of an owner. Return their names."""
    table = alarm_lease
    connection.execute(
        sa.update(table).where(table.c.owner == owner).values(expires=timestamps.to_microseconds(expires))
    )
    return list(connection.scalars(sa.select(table.c.name).where(table.c.owner == owner)))


def release(connection: sa.Connection, owner: str, names: Sequence[str]) -> None:
    """Make leases of an owner free. Those of processes, which have no work, are deleted."""
    table = alarm_lease
    own = (table.c.owner == owner, table.c.name.in_(names))
    connection.execute(sa.delete(table).where(*own, table.c.begun == NEVER))
    connection.execute(sa.update(table).where(*own).values(owner="", expires=NEVER))


def begin_work(connection: sa.Connection, name: str, owner: str, now: dt.datetime, last: dt.datetime) -> bool:
    """Set when the work of a lease was begun, unless it was begun after `last`."""
    table, moment = alarm_lease, timestamps.to_microseconds(now)
    statement = sa.update(table).where(
        table.c.name == name,
        table.c.owner == owner,
        table.c.expires > moment,
        table.c.begun <= timestamps.to_microseconds(last),
    )
    return bool(connection.execute(statement.values(begun=moment)).rowcount)
