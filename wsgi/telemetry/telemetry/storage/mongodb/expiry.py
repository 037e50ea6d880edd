"""Deletes old documents.

The server deletes samples, events and changes by itself, by the indexes of schema.apply_retention, once a minute. The
functions here delete what is due at this moment, and what no sample needs any more, which no index can tell.
"""

import datetime as dt
from typing import Any

from telemetry import timestamps
from telemetry.storage.mongodb.conditions import Condition

# Documents deleted at a time, so that no step takes longer than the server may take to answer.
STEP = 5000


def _delete(collection: Any, old: Condition) -> int:
    deleted = 0
    while keys := [one["_id"] for one in collection.find(old, {"_id": 1}).limit(STEP)]:
        deleted += int(collection.delete_many({"_id": {"$in": keys}}).deleted_count)
    return deleted


def samples(db: Any, before: dt.datetime, samples_only: bool) -> int:
    """Delete samples older than `before`. Return their number.

    Unless `samples_only`, also delete the states, meters and resources without samples, and correct the first
    timestamps of the others.
    """
    oldest_kept = timestamps.to_microseconds(before)
    deleted = _delete(db.sample, {"timestamp": {"$lt": oldest_kept}})
    if samples_only:
        return deleted
    old = {"first": {"$lt": oldest_kept}}
    for state in list(db.state.find(old, {"last": 1})):
        oldest = db.sample.find_one({"state": state["_id"]}, {"timestamp": 1}, sort={"timestamp": 1})
        if oldest is not None:
            db.state.update_one({"_id": state["_id"]}, {"$set": {"first": oldest["timestamp"]}})
        else:
            # A writer may have stored a newer sample since.
            db.state.delete_one({"_id": state["_id"], "last": {"$lt": oldest_kept}})
    for resource in list(db.resource.find(old, {"last": 1})):
        _resource(db, resource["_id"], oldest_kept)
    for meter in list(db.meter.find({}, {"seq": 1, "name": 1, "type": 1, "unit": 1})):
        used = db.resource_meter.find_one({"meter_seq": meter["seq"]}, {"_id": 1})
        of_meter = {"meter": meter["name"], "type": meter["type"], "unit": meter["unit"]}
        if used is None and db.sample.find_one(of_meter, {"_id": 1}) is None:
            db.meter.delete_one({"_id": meter["_id"]})
    return deleted


def _resource(db: Any, key: str, oldest_kept: int) -> None:
    for pair in list(db.resource_meter.find({"resource_id": key}, {"name": 1, "type": 1, "unit": 1})):
        of_pair = {"resource_id": key, "meter": pair["name"], "type": pair["type"], "unit": pair["unit"]}
        if db.sample.find_one(of_pair, {"_id": 1}) is None:
            db.resource_meter.delete_one({"_id": pair["_id"]})
    oldest = db.sample.find_one({"resource_id": key}, {"timestamp": 1}, sort={"timestamp": 1})
    if oldest is not None:
        db.resource.update_one({"_id": key}, {"$set": {"first": oldest["timestamp"]}})
    elif db.state.find_one({"resource_id": key}, {"_id": 1}) is None:
        db.resource.delete_one({"_id": key, "last": {"$lt": oldest_kept}})


def events(db: Any, before: dt.datetime) -> int:
    """Delete events generated before `before`. Return their number."""
    return _delete(db.event, {"generated": {"$lt": timestamps.to_microseconds(before)}})


def alarm_changes(db: Any, before: dt.datetime) -> int:
    """Delete alarm changes older than `before`. Return their number."""
    return _delete(db.alarm_history, {"timestamp": {"$lt": timestamps.to_microseconds(before)}})
