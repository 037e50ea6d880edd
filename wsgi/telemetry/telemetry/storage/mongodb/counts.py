"""Counts documents, to compare a copy with its source."""

from typing import Any

from telemetry.storage.interface import Counts


def _groups(collection: Any, key: Any) -> int:
    """Return the number of different values of a key."""
    pipeline = [{"$group": {"_id": key}}, {"$group": {"_id": None, "count": {"$sum": 1}}}]
    return sum(int(one["count"]) for one in collection.aggregate(pipeline, allowDiskUse=True))


def metering(db: Any) -> Counts:
    """Count samples, and the meters and resources that have samples."""
    return {
        "samples": int(db.sample.count_documents({})),
        "meters": _groups(db.sample, {"name": "$meter", "type": "$type", "unit": "$unit"}),
        "resources": _groups(db.sample, "$resource_id"),
    }


def alarms(db: Any) -> Counts:
    """Count alarms and the entries of their history."""
    return {
        "alarms": int(db.alarm.count_documents({})),
        "alarm changes": int(db.alarm_history.count_documents({})),
    }


def events(db: Any) -> Counts:
    """Count events and their traits."""
    pipeline = [{"$group": {"_id": None, "count": {"$sum": {"$size": "$traits"}}}}]
    return {
        "events": int(db.event.count_documents({})),
        "traits": sum(int(one["count"]) for one in db.event.aggregate(pipeline)),
    }
