"""Events, their types and traits."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import json_text, timestamps
from telemetry.storage.filters import EventFilter, Page, PageRequest, TraitTerm
from telemetry.storage.records import Event, Stored, Trait, TraitType
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.dialect import chunks, column_value, insert_missing
from telemetry.storage.sqlalchemy.models import event, event_type, event_type_trait, trait
from telemetry.storage.sqlalchemy.pages import Keyset

OLDEST_FIRST = Keyset((event.c.generated, event.c.id))
VALUE_COLUMNS = {
    TraitType.NONE: "text_value",
    TraitType.STRING: "text_value",
    TraitType.INTEGER: "int_value",
    TraitType.FLOAT: "float_value",
    TraitType.DATETIME: "datetime_value",
}


def record(connection: sa.Connection, events: Iterable[Event]) -> Stored:
    """Store events. An event whose message_id is stored already is a duplicate."""
    total = Stored()
    for batch in chunks(events):
        stored = _record_batch(connection, batch)
        total.stored += stored
        total.duplicates += len(batch) - stored
    return total


def _record_batch(connection: sa.Connection, batch: Sequence[Event]) -> int:
    by_id = {record.message_id: record for record in reversed(batch)}
    stored_ids = set(connection.scalars(sa.select(event.c.message_id).where(event.c.message_id.in_(list(by_id)))))
    new = [record for record in reversed(by_id.values()) if record.message_id not in stored_ids]
    if not new:
        return 0
    types = _types(connection, sorted({record.event_type for record in new}))
    insert_missing(
        connection,
        event,
        [
            {
                "message_id": record.message_id,
                "event_type_id": types[record.event_type],
                "generated": timestamps.to_microseconds(record.generated),
                "raw": json_text.dumps(record.raw),
            }
            for record in new
        ],
    )
    ids = dict(
        connection.execute(
            sa.select(event.c.message_id, event.c.id).where(
                event.c.message_id.in_([record.message_id for record in new])
            )
        ).all()
    )
    described = sorted({(types[record.event_type], t.name, int(t.type)) for record in new for t in record.traits})
    insert_missing(
        connection,
        event_type_trait,
        [{"event_type_id": key, "key": name, "type": kind} for key, name, kind in described],
    )
    insert_missing(connection, trait, [_trait_row(ids[record.message_id], t) for record in new for t in record.traits])
    return len(new)


def _types(connection: sa.Connection, names: list[str]) -> dict[str, int]:
    query = sa.select(event_type.c.description, event_type.c.id).where(event_type.c.description.in_(names))
    ids = dict(connection.execute(query).all())
    missing = [{"description": name} for name in names if name not in ids]
    if missing:
        insert_missing(connection, event_type, missing)
        ids = dict(connection.execute(query).all())
    return ids


def _trait_row(event_id: int, record: Trait) -> dict[str, Any]:
    row: dict[str, Any] = {
        "event_id": event_id,
        "key": record.name,
        "type": int(record.type),
        "text_value": None,
        "int_value": None,
        "float_value": None,
        "datetime_value": None,
    }
    row[VALUE_COLUMNS[record.type]] = column_value(record.value)
    return row


def _trait(row: Any) -> Trait:
    kind = TraitType(row.type)
    value = row._mapping[VALUE_COLUMNS[kind]]
    return Trait(row.key, kind, timestamps.from_microseconds(value) if kind is TraitType.DATETIME else value)


def _has_trait(term: TraitTerm) -> Any:
    table = trait.alias()
    column = table.c[VALUE_COLUMNS[term.type]]
    return sa.exists().where(
        table.c.event_id == event.c.id,
        table.c.key == term.name,
        table.c.type == int(term.type),
        conditions.compare(column, term.op, column_value(term.value)),
    )


def listing(connection: sa.Connection, criteria: EventFilter, page: PageRequest) -> Page[Event]:
    """List events, oldest first."""
    query = sa.select(event, event_type.c.description).join(event_type, event_type.c.id == event.c.event_type_id)
    query = query.where(
        *conditions.period(event.c.generated, criteria.start, criteria.start_op, criteria.end, criteria.end_op)
    )
    if criteria.event_type is not None:
        query = query.where(event_type.c.description == criteria.event_type)
    if criteria.message_id is not None:
        query = query.where(event.c.message_id == criteria.message_id)
    query = query.where(*[_has_trait(term) for term in criteria.traits])
    if criteria.own_project_only:
        any_project = trait.alias()
        own = TraitTerm("project_id", TraitType.STRING, "eq", criteria.admin_project or "")
        query = query.where(
            sa.or_(
                ~sa.exists().where(any_project.c.event_id == event.c.id, any_project.c.key == "project_id"),
                _has_trait(own),
            )
        )
    rows, next_marker = OLDEST_FIRST.split(connection.execute(OLDEST_FIRST.select_page(query, page)).all(), page)
    traits = _traits_of(connection, [row.id for row in rows])
    return Page(
        [
            Event(
                row.message_id,
                row.description,
                timestamps.from_microseconds(row.generated),
                traits.get(row.id, []),
                json_text.loads_stored(row.raw),
            )
            for row in rows
        ],
        next_marker,
    )


def _traits_of(connection: sa.Connection, keys: list[int]) -> dict[int, list[Trait]]:
    traits_by_event: dict[int, list[Trait]] = {}
    for chunk in chunks(keys):
        query = sa.select(trait).where(trait.c.event_id.in_(chunk)).order_by(trait.c.key, trait.c.type)
        for row in connection.execute(query):
            traits_by_event.setdefault(row.event_id, []).append(_trait(row))
    return traits_by_event


def types(connection: sa.Connection) -> list[str]:
    """List the event types, sorted."""
    return list(connection.scalars(sa.select(event_type.c.description).order_by(event_type.c.description)))


def trait_descriptions(connection: sa.Connection, name: str) -> list[tuple[str, TraitType]]:
    """List (name, type) of the traits of an event type, by type, then name."""
    rows = connection.execute(
        sa.select(event_type_trait.c.key, event_type_trait.c.type)
        .join(event_type, event_type.c.id == event_type_trait.c.event_type_id)
        .where(event_type.c.description == name)
        .order_by(event_type_trait.c.type, event_type_trait.c.key)
    )
    return [(row.key, TraitType(row.type)) for row in rows]


def traits(connection: sa.Connection, type_name: str, name: str) -> list[Trait]:
    """List each value of a trait in events of a type: by type, then the oldest event first."""
    rows = connection.execute(
        sa.select(trait)
        .join(event, event.c.id == trait.c.event_id)
        .join(event_type, event_type.c.id == event.c.event_type_id)
        .where(event_type.c.description == type_name, trait.c.key == name)
        .order_by(trait.c.type, event.c.generated, event.c.id)
    )
    return [_trait(row) for row in rows]
