"""Notifications that wait to be sent."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import json_text, timestamps
from telemetry.storage.filters import Page, PageRequest
from telemetry.storage.outbox import line_of
from telemetry.storage.records import Notification
from telemetry.storage.sqlalchemy.dialect import chunks
from telemetry.storage.sqlalchemy.models import alarm_notification as table
from telemetry.storage.sqlalchemy.pages import Keyset

TIMES = ("created", "due")
BY_ID = Keyset((table.c.notification_id,))


def add(connection: sa.Connection, notifications: Sequence[Notification]) -> None:
    """Store notifications."""
    if notifications:
        connection.execute(sa.insert(table), [_columns(one) for one in notifications])


def _columns(notification: Notification) -> dict[str, Any]:
    return {
        "notification_id": notification.notification_id,
        "alarm_id": notification.alarm_id,
        "action": notification.action,
        "receiver": notification.receiver,
        "line": line_of(notification),
        "body": json_text.dumps(notification.body),
        "created": timestamps.to_microseconds(notification.created),
        "due": timestamps.to_microseconds(notification.due),
        "attempts": notification.attempts,
    }


def _notification(row: Any) -> Notification:
    values = dict(row._mapping)
    values.pop("line")
    values["body"] = json_text.loads_stored(values["body"])
    values.update({name: timestamps.from_microseconds(values[name]) for name in TIMES})
    return Notification(**values)


def due(connection: sa.Connection, now: dt.datetime, limit: int, without: Collection[str]) -> list[Notification]:
    """List what is due, the earliest first."""
    older = table.alias("older")
    is_older = sa.or_(
        older.c.created < table.c.created,
        sa.and_(older.c.created == table.c.created, older.c.notification_id < table.c.notification_id),
    )
    where = [
        table.c.due <= timestamps.to_microseconds(now),
        ~sa.exists().where(older.c.line == table.c.line, is_older),
    ]
    if without:
        where.append(table.c.receiver.not_in(sorted(without)))
    query = sa.select(table).where(*where).order_by(table.c.due, table.c.notification_id).limit(limit)
    return [_notification(row) for row in connection.execute(query)]


def claim(connection: sa.Connection, notification: Notification, next_due: dt.datetime) -> bool:
    """Begin an attempt, unless another process did so."""
    as_read = (
        table.c.notification_id == notification.notification_id,
        table.c.due == timestamps.to_microseconds(notification.due),
        table.c.attempts == notification.attempts,
    )
    values = {"due": timestamps.to_microseconds(next_due), "attempts": notification.attempts + 1}
    return bool(connection.execute(sa.update(table).where(*as_read).values(values)).rowcount)


def postpone(connection: sa.Connection, notification_id: str, next_due: dt.datetime) -> None:
    """Set the time of the next attempt."""
    own = table.c.notification_id == notification_id
    connection.execute(sa.update(table).where(own).values(due=timestamps.to_microseconds(next_due)))


def delete(connection: sa.Connection, notification_id: str) -> None:
    """Delete a notification."""
    connection.execute(sa.delete(table).where(table.c.notification_id == notification_id))


def expire(connection: sa.Connection, before: dt.datetime) -> int:
    """Delete notifications created before `before`. Return their number."""
    old = table.c.created < timestamps.to_microseconds(before)
    return connection.execute(sa.delete(table).where(old)).rowcount


def stored(connection: sa.Connection, page: PageRequest) -> Page[Notification]:
    """List all notifications, by their ids."""
    rows, next_marker = BY_ID.split(connection.execute(BY_ID.select_page(sa.select(table), page)).all(), page)
    return Page([_notification(row) for row in rows], next_marker)


def record(connection: sa.Connection, waiting: Sequence[Notification]) -> None:
    """Store notifications. One whose id is stored already is replaced."""
    for chunk in chunks(waiting):
        ids = [one.notification_id for one in chunk]
        connection.execute(sa.delete(table).where(table.c.notification_id.in_(ids)))
        add(connection, chunk)
