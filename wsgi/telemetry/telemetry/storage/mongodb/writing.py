"""Stores samples.

What lists read (meter, resource, state, resource_meter) is written before the samples, and each write can be repeated.
After a break, a client sends its samples again: those that are stored already are skipped, and nothing is missing.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pymongo
import pymongo.errors

from telemetry import metadata, timestamps
from telemetry.storage.limits import NAME_LENGTH
from telemetry.storage.mongodb.conditions import leaf
from telemetry.storage.mongodb.connection import SEQUENCE
from telemetry.storage.records import Sample, Stored

# Samples in a batch.
BATCH = 1000
# json.dumps would make an encoder for every sample.
ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
DUPLICATE = 11000
Document = dict[str, Any]


def record(db: Any, samples: Iterable[Sample]) -> Stored:
    """Store samples, and what lists read of them."""
    total = Stored()
    batch: list[Sample] = []
    # All are read first: a bad line of a request must not leave a part of the request stored.
    everything = list(samples)
    for start in range(0, len(everything), BATCH):
        batch = everything[start : start + BATCH]
        stored = _store(db, batch)
        total.stored += stored
        total.duplicates += len(batch) - stored
    return total


def insert_missing(collection: Any, documents: Sequence[Document]) -> int:
    """Insert documents. One whose `_id` exists already is skipped. Return the number of inserted documents."""
    if not documents:
        return 0
    try:
        collection.insert_many(documents, ordered=False)
    except pymongo.errors.BulkWriteError as error:
        if any(one["code"] != DUPLICATE for one in error.details["writeErrors"]):
            raise
        return int(error.details["nInserted"])
    return len(documents)


def new(collection: Any, records: Sequence[Any]) -> list[Any]:
    """Return the records whose message_id is not stored yet, each once."""
    by_id = {record.message_id: record for record in reversed(records)}
    stored = {one["_id"] for one in collection.find({"_id": {"$in": list(by_id)}}, {"_id": 1})}
    return [record for record in reversed(by_id.values()) if record.message_id not in stored]


def _key(*parts: Any) -> str:
    return json.dumps(parts, separators=(",", ":"))


def _store(db: Any, batch: Sequence[Sample]) -> int:
    samples = new(db.sample, batch)
    if not samples:
        return 0
    states = [_state(sample) for sample in samples]
    now = timestamps.to_microseconds(timestamps.utcnow())
    documents = [
        {
            "_id": sample.message_id,
            "seq": seq,
            "meter": sample.meter,
            "type": sample.type,
            "unit": sample.unit,
            "volume": float(sample.volume),
            "resource_id": sample.resource_id,
            "user_id": sample.user_id,
            "project_id": sample.project_id,
            "source": sample.source,
            "state": state["_id"],
            "leaves": state["leaves"],
            "timestamp": timestamps.to_microseconds(sample.timestamp),
            "at": sample.timestamp,
            "recorded_at": timestamps.to_microseconds(sample.recorded_at) if sample.recorded_at else now,
            "message_signature": sample.message_signature,
        }
        for sample, state, seq in zip(samples, states, SEQUENCE.take(len(samples)), strict=True)
    ]
    meters = _numbered(db.meter, _meters(samples))
    _summarise_states(db.state, states, documents)
    resources = _resources(db.resource, documents)
    _pairs(db.resource_meter, documents, meters, resources)
    insert_missing(db.sample, documents)
    return len(samples)


def _state(sample: Sample) -> Document:
    text = ENCODER.encode(sample.metadata)
    identity = [sample.resource_id, sample.user_id, sample.project_id, sample.source, text]
    leaves = {
        # Queries cannot name a longer key. It stays in the text.
        key: leaf(key, value)
        for key, value in metadata.leaves(sample.metadata)
        if len(key) <= NAME_LENGTH
    }
    return {
        "_id": hashlib.sha256(json.dumps(identity).encode()).hexdigest(),
        "resource_id": sample.resource_id,
        "user_id": sample.user_id,
        "project_id": sample.project_id,
        "source": sample.source,
        "metadata": text,
        "leaves": list(leaves.values()),
    }


def _meters(samples: Sequence[Sample]) -> Iterator[Document]:
    for name, kind, unit in dict.fromkeys((sample.meter, sample.type, sample.unit) for sample in samples):
        yield {"_id": _key(name, kind, unit), "name": name, "type": kind, "unit": unit}


def _numbered(collection: Any, documents: Iterable[Document]) -> dict[str, int]:
    """Insert the documents that are missing, with a number each. Return the numbers of all by their `_id`."""
    by_id = {document["_id"]: document for document in documents}

    def stored() -> dict[str, int]:
        return {one["_id"]: one["seq"] for one in collection.find({"_id": {"$in": list(by_id)}}, {"seq": 1})}

    numbers = stored()
    missing = [document for key, document in by_id.items() if key not in numbers]
    if missing:
        for document, seq in zip(missing, SEQUENCE.take(len(missing)), strict=True):
            document["seq"] = seq
        insert_missing(collection, missing)
        numbers = stored()
    return numbers


def _spans(documents: Sequence[Document], field: str) -> dict[str, tuple[int, int, Document]]:
    """Return the first time, the last time and the last document by the values of a field."""
    spans: dict[str, tuple[int, int, Document]] = {}
    for document in documents:
        time, key = document["timestamp"], document[field]
        low, high, last = spans.get(key, (time, time, document))
        spans[key] = (min(low, time), max(high, time), document if time >= high else last)
    return spans


def _summarise_states(collection: Any, states: Sequence[Document], documents: Sequence[Document]) -> None:
    by_id = {state["_id"]: state for state in states}
    spans = _spans(documents, "state")
    updates = [
        pymongo.UpdateOne(
            {"_id": key},
            {
                "$setOnInsert": {
                    **{name: value for name, value in by_id[key].items() if name != "_id"},
                    "seq": seq,
                },
                "$min": {"first": low},
                "$max": {"last": high},
            },
            upsert=True,
        )
        for (key, (low, high, _last)), seq in zip(sorted(spans.items()), SEQUENCE.take(len(spans)), strict=True)
    ]
    upsert(collection, updates)


def upsert(collection: Any, updates: Sequence[Any]) -> None:
    """Run updates that may insert. Two writers that insert the same `_id` get an error, and the update runs again."""
    for _attempt in range(5):
        try:
            collection.bulk_write(updates, ordered=False)
            return
        except pymongo.errors.BulkWriteError as error:
            failed = error.details["writeErrors"]
            if any(one["code"] != DUPLICATE for one in failed):
                raise
            updates = [updates[one["index"]] for one in failed]
    collection.bulk_write(updates, ordered=False)


def _resources(collection: Any, documents: Sequence[Document]) -> dict[str, int]:
    spans = _spans(documents, "resource_id")
    numbers = _numbered(
        collection,
        [{"_id": key, "first": low, "last": high, "state": last["state"]} for key, (low, high, last) in spans.items()],
    )
    updates: list[Any] = []
    for key, (low, high, last) in sorted(spans.items()):
        updates.append(pymongo.UpdateOne({"_id": key, "first": {"$gt": low}}, {"$set": {"first": low}}))
        # Only a sample that is as new as the latest one describes the resource.
        latest = {"last": high, "state": last["state"]}
        updates.append(pymongo.UpdateOne({"_id": key, "last": {"$lte": high}}, {"$set": latest}))
    collection.bulk_write(updates, ordered=False)
    return numbers


def _pairs(collection: Any, documents: Sequence[Document], meters: dict[str, int], resources: dict[str, int]) -> None:
    pairs = {(d["meter"], d["type"], d["unit"], d["resource_id"]): d for d in documents}
    updates = []
    for (name, kind, unit, resource_id), document in sorted(pairs.items(), key=lambda item: item[0]):
        described = {key: document[key] for key in ("user_id", "project_id", "source", "leaves")}
        identity = {
            "meter_seq": meters[_key(name, kind, unit)],
            "resource_seq": resources[resource_id],
            "name": name,
            "type": kind,
            "unit": unit,
            "resource_id": resource_id,
        }
        updates.append(
            pymongo.UpdateOne(
                {"_id": _key(name, kind, unit, resource_id)}, {"$set": {**described, **identity}}, upsert=True
            )
        )
    upsert(collection, updates)
