"""Lists samples, meters and resources."""

from typing import Any

from telemetry import json_text, timestamps
from telemetry.storage.filters import Page, PageRequest, SampleFilter
from telemetry.storage.mongodb import conditions
from telemetry.storage.mongodb.pages import Document, Keyset
from telemetry.storage.records import Meter, Resource, Sample

NEWEST_FIRST = Keyset(("timestamp", "seq", "_id"), (int, int, str), descending=True)
AS_STORED = Keyset(("seq", "_id"), (int, str))
BY_AGE = Keyset(("meter_seq", "resource_seq", "_id"), (int, int, str))
UNIQUE_BY_AGE = Keyset(("seq", "_id"), (int, str))
BY_ID = Keyset(("_id",), (str,))


def samples(db: Any, criteria: SampleFilter, page: PageRequest) -> Page[Sample]:
    """List samples, newest first. Of samples with the same time, the one stored last comes first."""
    where = [*conditions.of_sample(criteria), *NEWEST_FIRST.after(page)]
    found = db.sample.find(conditions.every(where), {"leaves": 0, "at": 0}).sort(NEWEST_FIRST.order)
    documents, next_marker = NEWEST_FIRST.split(list(found.limit(NEWEST_FIRST.limit(page))), page)
    return Page(with_metadata(db, list(documents)), next_marker)


def stored(db: Any, page: PageRequest) -> Page[Sample]:
    """List samples in the order in which they were stored."""
    found = db.sample.find(conditions.every(AS_STORED.after(page)), {"leaves": 0, "at": 0}).sort(AS_STORED.order)
    documents, next_marker = AS_STORED.split(list(found.limit(AS_STORED.limit(page))), page)
    return Page(with_metadata(db, list(documents)), next_marker)


def with_metadata(db: Any, documents: list[Document]) -> list[Sample]:
    """Return the samples of documents, with the metadata of their states."""
    texts = _states(db, [document["state"] for document in documents])
    return [
        Sample(
            meter=document["meter"],
            type=document["type"],
            unit=document["unit"],
            volume=document["volume"],
            user_id=document["user_id"],
            project_id=document["project_id"],
            resource_id=document["resource_id"],
            source=document["source"],
            timestamp=timestamps.from_microseconds(document["timestamp"]),
            metadata=json_text.loads_stored(texts[document["state"]]["metadata"]),
            message_id=document["_id"],
            message_signature=document["message_signature"],
            recorded_at=timestamps.from_microseconds(document["recorded_at"]),
        )
        for document in documents
        # The expirer may delete a state between the two queries.
        if document["state"] in texts
    ]


def _states(db: Any, keys: list[str]) -> dict[str, Document]:
    projection = {"leaves": 0}
    return {state["_id"]: state for state in db.state.find({"_id": {"$in": list(set(keys))}}, projection)}


def _of_pair(criteria: SampleFilter) -> list[conditions.Condition]:
    where = conditions.of_state(criteria)
    if criteria.resource is not None:
        where.append({"resource_id": {"$eq": criteria.resource}})
    return where


def meters(db: Any, criteria: SampleFilter, page: PageRequest) -> Page[Meter]:
    """List the pairs of a meter and a resource, ordered by the age of the meter, then of the resource."""
    where = conditions.every([*_of_pair(criteria), *BY_AGE.after(page)])
    found = db.resource_meter.find(where, {"leaves": 0}).sort(BY_AGE.order).limit(BY_AGE.limit(page))
    documents, next_marker = BY_AGE.split(list(found), page)
    return Page(
        [
            Meter(
                name=document["name"],
                type=document["type"],
                unit=document["unit"],
                resource_id=document["resource_id"],
                project_id=document["project_id"],
                user_id=document["user_id"],
                source=document["source"],
            )
            for document in documents
        ],
        next_marker,
    )


def unique_meters(db: Any, criteria: SampleFilter, page: PageRequest) -> Page[Meter]:
    """List each meter once that has a resource which matches the filter, oldest first."""
    where = list(UNIQUE_BY_AGE.after(page))
    if of_pair := _of_pair(criteria):
        numbers = db.resource_meter.distinct("meter_seq", conditions.every(of_pair))
        where.append({"seq": {"$in": numbers}})
    found = db.meter.find(conditions.every(where)).sort(UNIQUE_BY_AGE.order).limit(UNIQUE_BY_AGE.limit(page))
    documents, next_marker = UNIQUE_BY_AGE.split(list(found), page)
    rows = [Meter(one["name"], one["type"], one["unit"], None, None, None, None) for one in documents]
    return Page(rows, next_marker)


def resources(db: Any, criteria: SampleFilter, page: PageRequest, with_meters: bool) -> Page[Resource]:
    """List the resources with a sample that matches the filter, in the order of their ids."""
    times = conditions.period("timestamp", criteria.start, criteria.start_op, criteria.end, criteria.end_op)
    of_state = conditions.of_state(criteria)
    after = BY_ID.after(page)
    if not times and not of_state:
        where = list(after)
        if criteria.resource is not None:
            where.append({"_id": {"$eq": criteria.resource}})
        documents = list(db.resource.find(conditions.every(where)).sort(BY_ID.order).limit(BY_ID.limit(page)))
    else:
        where = [*times, *of_state, *({"resource_id": one["_id"]} for one in after)]
        if criteria.resource is not None:
            where.append({"resource_id": {"$eq": criteria.resource}})
        documents = _from_samples(db, where, page) if times else _from_states(db, where, page)
    listed, next_marker = BY_ID.split(documents, page)
    described = _states(db, [one["state"] for one in listed])
    names = _meter_names(db, [one["_id"] for one in listed]) if with_meters else {}
    items = []
    for one in listed:
        state = described.get(one["state"])
        # The expirer may delete a state between two of these queries.
        if state is None:
            continue
        items.append(
            Resource(
                resource_id=one["_id"],
                project_id=state["project_id"],
                user_id=state["user_id"],
                source=state["source"],
                metadata=json_text.loads_stored(state["metadata"]),
                meters=names.get(one["_id"], []),
                first_sample_timestamp=timestamps.from_microseconds(one["first"]),
                last_sample_timestamp=timestamps.from_microseconds(one["last"]),
            )
        )
    return Page(items, next_marker)


def _limited(page: PageRequest) -> list[Document]:
    order: list[Document] = [{"$sort": {"_id": 1}}]
    return order if page.limit is None else [*order, {"$limit": page.limit + 1}]


def _from_states(db: Any, where: list[conditions.Condition], page: PageRequest) -> list[Document]:
    pipeline = [
        {"$match": conditions.every(where)},
        {"$sort": {"last": 1, "seq": 1}},
        {
            "$group": {
                "_id": "$resource_id",
                "first": {"$min": "$first"},
                "last": {"$max": "$last"},
                "state": {"$last": "$_id"},
            }
        },
        *_limited(page),
    ]
    return list(db.state.aggregate(pipeline, allowDiskUse=True))


def _from_samples(db: Any, where: list[conditions.Condition], page: PageRequest) -> list[Document]:
    group = {
        "_id": "$resource_id",
        "first": {"$min": "$timestamp"},
        # Documents are compared member by member, so that this is the latest sample.
        "latest": {"$max": {"timestamp": "$timestamp", "seq": "$seq", "state": "$state"}},
    }
    pipeline = [{"$match": conditions.every(where)}, {"$group": group}, *_limited(page)]
    documents = list(db.sample.aggregate(pipeline, allowDiskUse=True))
    for document in documents:
        latest = document.pop("latest")
        document["last"], document["state"] = latest["timestamp"], latest["state"]
    return documents


def _meter_names(db: Any, keys: list[str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    found = db.resource_meter.find({"resource_id": {"$in": keys}}, {"_id": 0, "resource_id": 1, "name": 1})
    for pair in found.sort({"name": 1}):
        listed = names.setdefault(pair["resource_id"], [])
        if pair["name"] not in listed:
            listed.append(pair["name"])
    return names
