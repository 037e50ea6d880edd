"""Notifications that wait to be sent."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import pymongo

from telemetry import json_text, timestamps
from telemetry.storage.filters import Page, PageRequest
from telemetry.storage.mongodb import conditions
from telemetry.storage.mongodb.pages import Document, Keyset
from telemetry.storage.mongodb.writing import upsert
from telemetry.storage.outbox import line_of
from telemetry.storage.records import Notification

TIMES = ("created", "due")
EARLIEST = {"due": 1, "_id": 1}
BY_ID = Keyset(("_id",), (str,))


def document(notification: Notification) -> Document:
    """Return a notification as it is stored."""
    return {
        "_id": notification.notification_id,
        "alarm_id": notification.alarm_id,
        "action": notification.action,
        "receiver": notification.receiver,
        "line": line_of(notification),
        "body": json_text.dumps(notification.body),
        "created": timestamps.to_microseconds(notification.created),
        "due": timestamps.to_microseconds(notification.due),
        "attempts": notification.attempts,
    }


def _notification(stored: Document) -> Notification:
    values = {name: value for name, value in stored.items() if name not in ("_id", "line")}
    values["body"] = json_text.loads_stored(values["body"])
    values.update({name: timestamps.from_microseconds(values[name]) for name in TIMES})
    return Notification(notification_id=stored["_id"], **values)


def due(db: Any, now: dt.datetime, limit: int, without: Collection[str]) -> list[Notification]:
    """List what is due, the earliest first."""
    where: Document = {"due": {"$lte": timestamps.to_microseconds(now)}}
    if without:
        where["receiver"] = {"$nin": sorted(without)}
    listed: list[Notification] = []
    for stored in list(db.alarm_notification.find(where).sort(EARLIEST).limit(limit)):
        older = db.alarm_notification.find_one(_older(stored), {"due": 1}, sort=[("created", 1), ("_id", 1)])
        if older is None:
            listed.append(_notification(stored))
        else:
            # It waits as long as the older one, so that the next listing has others in its place. `delete` ends this.
            later = max(older["due"], stored["due"]) + 1
            db.alarm_notification.update_one({"_id": stored["_id"], "due": stored["due"]}, {"$set": {"due": later}})
    return listed


def _older(stored: Document) -> Document:
    created = stored["created"]
    is_older = [{"created": {"$lt": created}}, {"created": {"$eq": created}, "_id": {"$lt": stored["_id"]}}]
    return {"line": {"$eq": stored["line"]}, "$or": is_older}


def claim(db: Any, notification: Notification, next_due: dt.datetime) -> bool:
    """Begin an attempt, unless another process did so."""
    as_read = {
        "_id": notification.notification_id,
        "due": timestamps.to_microseconds(notification.due),
        "attempts": notification.attempts,
    }
    values = {"due": timestamps.to_microseconds(next_due), "attempts": notification.attempts + 1}
    return bool(db.alarm_notification.update_one(as_read, {"$set": values}).matched_count)


def postpone(db: Any, notification_id: str, next_due: dt.datetime) -> None:
    """Set the time of the next attempt."""
    own = {"_id": notification_id}
    db.alarm_notification.update_one(own, {"$set": {"due": timestamps.to_microseconds(next_due)}})


def delete(db: Any, notification: Notification) -> None:
    """Delete a notification. Those that waited for it are due."""
    db.alarm_notification.delete_one({"_id": notification.notification_id})
    waiting = {"line": {"$eq": line_of(notification)}, "attempts": 0}
    db.alarm_notification.update_many(waiting, {"$min": {"due": timestamps.to_microseconds(timestamps.utcnow())}})


def expire(db: Any, before: dt.datetime) -> int:
    """Delete notifications created before `before`. Return their number."""
    old = {"created": {"$lt": timestamps.to_microseconds(before)}}
    return int(db.alarm_notification.delete_many(old).deleted_count)


def stored(db: Any, page: PageRequest) -> Page[Notification]:
    """List all notifications, by their ids."""
    listed = db.alarm_notification.find(conditions.every(BY_ID.after(page))).sort(BY_ID.order).limit(BY_ID.limit(page))
    documents, next_marker = BY_ID.split(list(listed), page)
    return Page([_notification(one) for one in documents], next_marker)


def record(db: Any, waiting: Sequence[Notification]) -> None:
    """Store notifications. One whose id is stored already is replaced."""
    documents = [document(one) for one in waiting]
    if documents:
        upsert(db.alarm_notification, [pymongo.ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in documents])
