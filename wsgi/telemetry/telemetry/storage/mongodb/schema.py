"""The collections, their indexes, and the version of the schema.

meter           one document for each (name, type, unit)
resource        one document for each resource id, with the state of its latest sample
state           one document for each owner, source and metadata that samples of a resource had
resource_meter  the meters of a resource, with the owner and metadata of the sample that was stored last
sample          one document for each measurement
event           one document for each event, with its traits
alarm, alarm_history
alarm_lease         which process evaluates which alarms
alarm_notification  messages about alarms that were not sent yet
schema          the version

Times are microseconds since 1970, since a date of MongoDB has milliseconds only. `at` is the same time as a date: the
server deletes by it. `seq` grows from document to document. Metadata, raw events and rules are JSON text: a key in them
may contain dots and dollar signs.
"""

from collections.abc import Mapping
from typing import Any

import pymongo
import pymongo.errors
from oslo_config import cfg

from telemetry.storage import versions

# Oldest first.
REVISIONS = ("0001",)
HEAD = REVISIONS[-1]
VERSION_ID = "version"
INDEXES: Mapping[str, list[list[tuple[str, int]]]] = {
    "meter": [[("seq", 1)], [("name", 1)]],
    "resource": [[("first", 1)]],
    "state": [
        [("resource_id", 1), ("last", 1)],
        [("user_id", 1)],
        [("project_id", 1)],
        [("leaves.k", 1)],
        [("first", 1)],
    ],
    "resource_meter": [
        [("meter_seq", 1), ("resource_seq", 1)],
        [("resource_id", 1), ("name", 1)],
        [("user_id", 1)],
        [("project_id", 1)],
    ],
    "sample": [
        [("timestamp", -1), ("seq", -1), ("_id", -1)],
        [("meter", 1), ("timestamp", -1), ("seq", -1), ("_id", -1)],
        [("resource_id", 1), ("timestamp", -1), ("seq", -1), ("_id", -1)],
        [("project_id", 1), ("meter", 1), ("timestamp", -1)],
        [("user_id", 1), ("meter", 1), ("timestamp", -1)],
        [("state", 1), ("timestamp", 1)],
        [("seq", 1), ("_id", 1)],
    ],
    "event": [
        [("generated", 1), ("seq", 1), ("_id", 1)],
        [("type", 1), ("generated", 1), ("seq", 1)],
        [("traits.k", 1), ("traits.t", 1)],
    ],
    "alarm": [[("project_id", 1)], [("user_id", 1)], [("timestamp", -1)]],
    "alarm_history": [[("alarm_id", 1), ("timestamp", -1)], [("timestamp", 1), ("_id", 1)]],
    "alarm_lease": [[("owner", 1)]],
    "alarm_notification": [[("due", 1)], [("line", 1), ("created", 1)], [("created", 1)]],
}
# The option with the time to live of the documents in a collection.
TIMES_TO_LIVE = {
    "sample": "metering_time_to_live",
    "event": "event_time_to_live",
    "alarm_history": "alarm_history_time_to_live",
}
RETENTION_INDEX = "retention"
# The longest time that MongoDB accepts in an index.
LONGEST = 2**31 - 1

Db = Any


def current(db: Db) -> str | None:
    """Return the version of the schema, or None without a schema."""
    document = db.schema.find_one({"_id": VERSION_ID})
    return None if document is None else str(document["version"])


def require_head(version: str | None) -> None:
    """Raise SchemaMismatchError, which names the command to run, unless `version` is the one that this code needs."""
    versions.require(version, HEAD, REVISIONS)


def upgrade(db: Db, revision: str = HEAD) -> None:
    """Create the indexes of a version, and write the version.

    Raises SchemaMismatchError for the schema of a newer release.
    """
    version = current(db)
    if version is not None and version not in REVISIONS:
        require_head(version)
    for name, indexes in INDEXES.items():
        for keys in indexes:
            db[name].create_index(keys)
    db.schema.update_one({"_id": VERSION_ID}, {"$set": {"version": revision}}, upsert=True)


def apply_retention(db: Db, conf: cfg.ConfigOpts) -> None:
    """Make the server delete documents that are older than their time to live, as the configuration has it now."""
    for name, option in TIMES_TO_LIVE.items():
        seconds = int(conf.database[option])
        present = db[name].index_information().get(RETENTION_INDEX)
        if not 0 < seconds <= LONGEST:
            if present is not None:
                db[name].drop_index(RETENTION_INDEX)
        elif present is None:
            db[name].create_index([("at", pymongo.ASCENDING)], name=RETENTION_INDEX, expireAfterSeconds=seconds)
        elif int(present["expireAfterSeconds"]) != seconds:
            db.command("collMod", name, index={"name": RETENTION_INDEX, "expireAfterSeconds": seconds})
