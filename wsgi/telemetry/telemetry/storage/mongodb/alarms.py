"""Alarms and their history.

An alarm is written before the entry of its history, so that the history never tells of a change that was not stored.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from telemetry import json_text, timestamps
from telemetry.errors import NotFoundError
from telemetry.query.expression import Expression, Ordering
from telemetry.storage.filters import AlarmFilter, HistoryFilter, Page, PageRequest
from telemetry.storage.mongodb import conditions
from telemetry.storage.mongodb.complex_query import ALARM_FIELDS, CHANGE_FIELDS, Compiler
from telemetry.storage.mongodb.pages import Document, Keyset
from telemetry.storage.mongodb.writing import insert_missing
from telemetry.storage.records import Alarm, AlarmChange, Stored

JSON_FIELDS = ("ok_actions", "alarm_actions", "insufficient_data_actions", "rule", "time_constraints")
TIME_FIELDS = ("timestamp", "state_timestamp")
NEWEST_FIRST = {"timestamp": -1, "_id": 1}
OLDEST_FIRST = Keyset(("timestamp", "_id"), (int, str))


def _document(record: Alarm) -> Document:
    values: Document = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    values.update({name: json_text.dumps(values[name]) for name in JSON_FIELDS})
    values.update({name: timestamps.to_microseconds(values[name]) for name in TIME_FIELDS})
    values["_id"] = values.pop("alarm_id")
    return values


def from_document(document: Document) -> Alarm:
    """Return the alarm of a document."""
    values = {name: value for name, value in document.items() if name != "unfinished"}
    values.update({name: json_text.loads_stored(values[name]) for name in JSON_FIELDS})
    values.update({name: timestamps.from_microseconds(values[name]) for name in TIME_FIELDS})
    return Alarm(alarm_id=values.pop("_id"), **values)


def _change(document: Document) -> AlarmChange:
    values = {name: value for name, value in document.items() if name != "at"}
    values["timestamp"] = timestamps.from_microseconds(values["timestamp"])
    return AlarmChange(event_id=values.pop("_id"), **values)


def _conditions(criteria: AlarmFilter | HistoryFilter, names: Sequence[str]) -> list[conditions.Condition]:
    """Return the conditions on the fields `names` and on the owner, for the filter's members that are set."""
    values = {name: getattr(criteria, name) for name in names}
    where: list[conditions.Condition] = [{name: {"$eq": value}} for name, value in values.items() if value is not None]
    if criteria.user is not None:
        where.append({"user_id": conditions.owner(criteria.user)})
    if criteria.project is not None:
        where.append({"project_id": conditions.owner(criteria.project)})
    return where


def listing(db: Any, criteria: AlarmFilter) -> list[Alarm]:
    """List alarms, newest timestamp first."""
    where = _conditions(criteria, ("name", "enabled", "state", "type", "severity"))
    if criteria.alarm_id is not None:
        where.append({"_id": {"$eq": criteria.alarm_id}})
    alarms = [from_document(document) for document in db.alarm.find(conditions.every(where)).sort(NEWEST_FIRST)]
    if criteria.meter is not None:
        # The meter is part of the rule's JSON text.
        alarms = [alarm for alarm in alarms if alarm.rule.get("meter_name") == criteria.meter]
    return alarms


def create(db: Any, record: Alarm, change: AlarmChange | None) -> None:
    """Store a new alarm and its change."""
    db.alarm.insert_one(_document(record))
    _add_to_history(db, change)


def update(db: Any, record: Alarm, change: AlarmChange | None) -> None:
    """Replace an alarm. Raises NotFoundError."""
    values = _document(record)
    del values["_id"]
    # Not replaced: a change of state that is not complete stays in the document.
    if not db.alarm.update_one({"_id": record.alarm_id}, {"$set": values}).matched_count:
        raise NotFoundError(f"Alarm {record.alarm_id} not found")
    _add_to_history(db, change)


def delete(db: Any, alarm_id: str, change: AlarmChange | None) -> None:
    """Delete an alarm; its history stays until it expires. Raises NotFoundError."""
    if not db.alarm.delete_one({"_id": alarm_id}).deleted_count:
        raise NotFoundError(f"Alarm {alarm_id} not found")
    _add_to_history(db, change)


def _add_to_history(db: Any, change: AlarmChange | None) -> None:
    if change is not None:
        db.alarm_history.insert_one(change_document(change))


def change_document(change: AlarmChange) -> Document:
    """Return an entry of the history as it is stored."""
    values = dataclasses.asdict(change)
    values["_id"] = values.pop("event_id")
    values["timestamp"], values["at"] = timestamps.to_microseconds(change.timestamp), change.timestamp
    return values


def stored_changes(db: Any, page: PageRequest) -> Page[AlarmChange]:
    """List the history of all alarms, oldest entry first."""
    found = db.alarm_history.find(conditions.every(OLDEST_FIRST.after(page))).sort(OLDEST_FIRST.order)
    documents, next_marker = OLDEST_FIRST.split(list(found.limit(OLDEST_FIRST.limit(page))), page)
    return Page([_change(document) for document in documents], next_marker)


def record_changes(db: Any, changes: Sequence[AlarmChange]) -> Stored:
    """Store entries of the history. An entry whose event_id is stored already is a duplicate."""
    by_id = {change.event_id: change_document(change) for change in changes}
    stored = insert_missing(db.alarm_history, list(by_id.values()))
    return Stored(stored, len(changes) - stored)


def history(db: Any, criteria: HistoryFilter) -> list[AlarmChange]:
    """List changes of an alarm, newest first."""
    where = [
        {"alarm_id": {"$eq": criteria.alarm_id}},
        *conditions.period("timestamp", criteria.start, criteria.start_op, criteria.end, criteria.end_op),
        *_conditions(criteria, ("on_behalf_of", "type", "severity")),
    ]
    return [_change(document) for document in db.alarm_history.find(conditions.every(where)).sort(NEWEST_FIRST)]


def query_alarms(db: Any, expression: Expression | None, orderings: Sequence[Ordering], limit: int) -> list[Alarm]:
    """List alarms for which the expression is true; without orderings newest first."""
    return [
        from_document(document) for document in _query(db.alarm, Compiler(ALARM_FIELDS), expression, orderings, limit)
    ]


def query_history(
    db: Any, expression: Expression | None, orderings: Sequence[Ordering], limit: int
) -> list[AlarmChange]:
    """List changes for which the expression is true; without orderings newest first."""
    documents = _query(db.alarm_history, Compiler(CHANGE_FIELDS), expression, orderings, limit)
    return [_change(document) for document in documents]


def _query(
    collection: Any, compiler: Compiler, expression: Expression | None, orderings: Sequence[Ordering], limit: int
) -> Any:
    where = {} if expression is None else compiler.condition(expression)
    return collection.find(where).sort(compiler.order(orderings, {"timestamp": -1}, {"_id": 1})).limit(limit)
