"""Events, their types and traits."""

from collections.abc import Iterable, Sequence
from typing import Any

from telemetry import json_text, timestamps
from telemetry.storage.filters import EventFilter, Page, PageRequest, TraitTerm
from telemetry.storage.mongodb import conditions
from telemetry.storage.mongodb.connection import SEQUENCE
from telemetry.storage.mongodb.pages import Document, Keyset
from telemetry.storage.mongodb.writing import insert_missing, new
from telemetry.storage.records import Event, Stored, Trait, TraitType

OLDEST_FIRST = Keyset(("generated", "seq", "_id"), (int, int, str))
BATCH = 500


def record(db: Any, events: Iterable[Event]) -> Stored:
    """Store events. An event whose message_id is stored already is a duplicate."""
    total = Stored()
    everything = list(events)
    documents = [_document(event) for event in everything]
    by_id = {document["_id"]: document for document in reversed(documents)}
    for start in range(0, len(everything), BATCH):
        batch = everything[start : start + BATCH]
        missing = [by_id[event.message_id] for event in new(db.event, batch)]
        for document, seq in zip(missing, SEQUENCE.take(len(missing)), strict=True):
            document["seq"] = seq
        insert_missing(db.event, missing)
        total.stored += len(missing)
        total.duplicates += len(batch) - len(missing)
    return total


def _document(event: Event) -> Document:
    traits = sorted(event.traits, key=lambda trait: (trait.name, trait.type))
    return {
        "_id": event.message_id,
        "type": event.event_type,
        "generated": timestamps.to_microseconds(event.generated),
        "at": event.generated,
        "traits": [{"k": trait.name, "t": int(trait.type), "v": _stored(trait.type, trait.value)} for trait in traits],
        "raw": json_text.dumps(event.raw),
    }


def _stored(kind: TraitType, value: Any) -> Any:
    return timestamps.to_microseconds(value) if kind is TraitType.DATETIME else value


def _trait(element: Document) -> Trait:
    kind, value = TraitType(element["t"]), element["v"]
    return Trait(element["k"], kind, timestamps.from_microseconds(value) if kind is TraitType.DATETIME else value)


def _has_trait(term: TraitTerm) -> conditions.Condition:
    value = {conditions.COMPARISONS[term.op]: _stored(term.type, term.value)}
    return {"traits": {"$elemMatch": {"k": term.name, "t": int(term.type), "v": value}}}


def listing(db: Any, criteria: EventFilter, page: PageRequest) -> Page[Event]:
    """List events, oldest first."""
    where = conditions.period("generated", criteria.start, criteria.start_op, criteria.end, criteria.end_op)
    if criteria.event_type is not None:
        where.append({"type": {"$eq": criteria.event_type}})
    if criteria.message_id is not None:
        where.append({"_id": {"$eq": criteria.message_id}})
    where.extend(_has_trait(term) for term in criteria.traits)
    if criteria.own_project_only:
        own = TraitTerm("project_id", TraitType.STRING, "eq", criteria.admin_project or "")
        where.append({"$or": [{"traits.k": {"$ne": "project_id"}}, _has_trait(own)]})
    where.extend(OLDEST_FIRST.after(page))
    found = db.event.find(conditions.every(where)).sort(OLDEST_FIRST.order).limit(OLDEST_FIRST.limit(page))
    documents, next_marker = OLDEST_FIRST.split(list(found), page)
    return Page([_event(document) for document in documents], next_marker)


def _event(document: Document) -> Event:
    return Event(
        document["_id"],
        document["type"],
        timestamps.from_microseconds(document["generated"]),
        [_trait(element) for element in document["traits"]],
        json_text.loads_stored(document["raw"]),
    )


def types(db: Any) -> list[str]:
    """List the event types, sorted."""
    return sorted(db.event.distinct("type"))


def trait_descriptions(db: Any, name: str) -> list[tuple[str, TraitType]]:
    """List (name, type) of the traits of an event type, by type, then name."""
    pipeline: Sequence[Document] = [
        {"$match": {"type": {"$eq": name}}},
        {"$unwind": "$traits"},
        {"$group": {"_id": {"t": "$traits.t", "k": "$traits.k"}}},
    ]
    described = sorted((one["_id"]["t"], one["_id"]["k"]) for one in db.event.aggregate(pipeline))
    return [(key, TraitType(kind)) for kind, key in described]


def traits(db: Any, type_name: str, name: str) -> list[Trait]:
    """List each value of a trait in events of a type: by type, then the oldest event first."""
    found = db.event.find({"type": {"$eq": type_name}, "traits.k": {"$eq": name}}, {"traits": 1})
    listed = [
        _trait(element)
        for document in found.sort(OLDEST_FIRST.order)
        for element in document["traits"]
        if element["k"] == name
    ]
    return sorted(listed, key=lambda trait: trait.type)
