"""Leases, and changes of the states of alarms.

A change of state, the entry of the history and the notifications are three writes. The first one also puts the other
two into the alarm, as `unfinished`. So whoever lists the alarm after a crash can complete them.
"""

import datetime as dt
import logging
from collections.abc import Sequence
from typing import Any

from telemetry import timestamps
from telemetry.storage.mongodb import alarms, conditions, notifications
from telemetry.storage.mongodb.pages import Document
from telemetry.storage.mongodb.writing import insert_missing
from telemetry.storage.records import Alarm, AlarmChange, Lease, Notification

LOG = logging.getLogger(__name__)
NEVER = timestamps.to_microseconds(timestamps.EPOCH)


def alarms_between(db: Any, first: str, end: str | None) -> list[Alarm]:
    """List the enabled alarms whose ids are in a range, by their ids. Complete what a crash interrupted."""
    where: list[conditions.Condition] = [{"_id": {"$gte": first}}]
    if end is not None:
        where.append({"_id": {"$lt": end}})
    where.append({"$or": [{"enabled": {"$eq": True}}, {"unfinished": {"$exists": True}}]})
    listed = []
    for document in list(db.alarm.find(conditions.every(where)).sort({"_id": 1})):
        if "unfinished" in document:
            _finish(db, document["_id"], document.pop("unfinished"))
        if not document["enabled"]:
            continue
        try:
            listed.append(alarms.from_document(document))
        except (ValueError, TypeError, KeyError) as error:
            LOG.error("Alarm %s cannot be read: %s", document["_id"], error)
    return listed


def _finish(db: Any, alarm_id: str, unfinished: Document) -> None:
    insert_missing(db.alarm_history, unfinished["changes"])
    insert_missing(db.alarm_notification, unfinished["notifications"])
    own = {"_id": alarm_id, "unfinished.id": unfinished["id"]}
    db.alarm.update_one(own, {"$unset": {"unfinished": ""}})


def states(db: Any, alarm_ids: Sequence[str]) -> dict[str, str]:
    """Return the states of alarms by their ids."""
    return {one["_id"]: one["state"] for one in db.alarm.find({"_id": {"$in": list(alarm_ids)}}, {"state": 1})}


def change_state(
    db: Any,
    record: Alarm,
    state: str,
    now: dt.datetime,
    change: AlarmChange | None,
    pending: Sequence[Notification],
) -> bool:
    """Set the state of an alarm that is as `record` has it, and store the change and the notifications."""
    as_read = {
        "_id": record.alarm_id,
        "state": {"$eq": record.state},
        "enabled": {"$eq": True},
        "timestamp": {"$eq": timestamps.to_microseconds(record.timestamp)},
        # Another change that is not complete must not be overwritten.
        "unfinished": {"$exists": False},
    }
    changes = [] if change is None else [alarms.change_document(change)]
    messages = [notifications.document(one) for one in pending]
    values: Document = {"state": state}
    if state != record.state:
        values["state_timestamp"] = timestamps.to_microseconds(now)
    unfinished: Document | None = None
    if changes or messages:
        first = (changes or messages)[0]
        unfinished = {"id": first["_id"], "changes": changes, "notifications": messages}
        values["unfinished"] = unfinished
    if not db.alarm.update_one(as_read, {"$set": values}).matched_count:
        return False
    if unfinished is not None:
        _finish(db, record.alarm_id, unfinished)
    return True


def leases(db: Any) -> list[Lease]:
    """List all leases, by their names."""
    return [
        Lease(
            one["_id"],
            one["owner"],
            timestamps.from_microseconds(one["expires"]),
            timestamps.from_microseconds(one["begun"]),
        )
        for one in db.alarm_lease.find().sort({"_id": 1})
    ]


def take(db: Any, names: Sequence[str], owner: str, now: dt.datetime, expires: dt.datetime) -> list[str]:
    """Take the leases that are free or expired. Return their names."""
    end = timestamps.to_microseconds(expires)
    taken = []
    for name in names:
        free = {
            "_id": name,
            "$or": [{"owner": {"$eq": owner}}, {"expires": {"$lte": timestamps.to_microseconds(now)}}],
        }
        new = {"_id": name, "owner": owner, "expires": end, "begun": NEVER}
        updated = db.alarm_lease.update_one(free, {"$set": {"owner": owner, "expires": end}}).matched_count
        if updated or insert_missing(db.alarm_lease, [new]):
            taken.append(name)
    return taken


def renew(db: Any, owner: str, expires: dt.datetime) -> list[str]:
    """Set the end of the leases of an owner. Return their names."""
    own = {"owner": {"$eq": owner}}
    db.alarm_lease.update_many(own, {"$set": {"expires": timestamps.to_microseconds(expires)}})
    return [one["_id"] for one in db.alarm_lease.find(own, {"_id": 1})]


def release(db: Any, owner: str, names: Sequence[str]) -> None:
    """Make leases of an owner free. Those of processes, which have no work, are deleted."""
    own = {"owner": {"$eq": owner}, "_id": {"$in": list(names)}}
    db.alarm_lease.delete_many({**own, "begun": NEVER})
    db.alarm_lease.update_many(own, {"$set": {"owner": "", "expires": NEVER}})


def begin_work(db: Any, name: str, owner: str, now: dt.datetime, last: dt.datetime) -> bool:
    """Set when the work of a lease was begun, unless it was begun after `last`."""
    moment = timestamps.to_microseconds(now)
    own = {
        "_id": name,
        "owner": {"$eq": owner},
        "expires": {"$gt": moment},
        "begun": {"$lte": timestamps.to_microseconds(last)},
    }
    return bool(db.alarm_lease.update_one(own, {"$set": {"begun": moment}}).matched_count)
