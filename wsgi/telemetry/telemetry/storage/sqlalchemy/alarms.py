"""Alarms and their history."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import json_text, timestamps
from telemetry.errors import NotFoundError
from telemetry.query.expression import Expression, Ordering
from telemetry.storage.filters import AlarmFilter, HistoryFilter, Page, PageRequest
from telemetry.storage.records import Alarm, AlarmChange, Stored
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.complex_query import Compiler
from telemetry.storage.sqlalchemy.dialect import chunks, insert_missing
from telemetry.storage.sqlalchemy.models import alarm, alarm_history
from telemetry.storage.sqlalchemy.pages import Keyset

JSON_COLUMNS = ("ok_actions", "alarm_actions", "insufficient_data_actions", "rule", "time_constraints")
TIME_COLUMNS = ("timestamp", "state_timestamp")
OLDEST_FIRST = Keyset((alarm_history.c.timestamp, alarm_history.c.event_id))


def _columns(record: Alarm) -> dict[str, Any]:
    values = {column.name: getattr(record, column.name) for column in alarm.columns}
    values.update({name: json_text.dumps(values[name]) for name in JSON_COLUMNS})
    values.update({name: timestamps.to_microseconds(values[name]) for name in TIME_COLUMNS})
    return values


def from_row(row: Any) -> Alarm:
    """Return the alarm of a row."""
    values = dict(row._mapping)
    values.update({name: json_text.loads_stored(values[name]) for name in JSON_COLUMNS})
    values.update({name: timestamps.from_microseconds(values[name]) for name in TIME_COLUMNS})
    return Alarm(**values)


def _change(row: Any) -> AlarmChange:
    values = dict(row._mapping)
    values["timestamp"] = timestamps.from_microseconds(values["timestamp"])
    return AlarmChange(**values)


def _conditions(table: sa.Table, criteria: AlarmFilter | HistoryFilter, names: Sequence[str]) -> list[Any]:
    """Return the conditions on the columns `names` and on the owner, for the filter's members that are set."""
    values = {name: getattr(criteria, name) for name in names}
    where: list[Any] = [table.c[name] == value for name, value in values.items() if value is not None]
    if criteria.user is not None:
        where.append(conditions.owner(table.c.user_id, criteria.user))
    if criteria.project is not None:
        where.append(conditions.owner(table.c.project_id, criteria.project))
    return where


def listing(connection: sa.Connection, criteria: AlarmFilter) -> list[Alarm]:
    """List alarms, newest timestamp first."""
    where = _conditions(alarm, criteria, ("alarm_id", "name", "enabled", "state", "type", "severity"))
    query = sa.select(alarm).where(*where)
    rows = connection.execute(query.order_by(alarm.c.timestamp.desc(), alarm.c.alarm_id))
    alarms = [from_row(row) for row in rows]
    if criteria.meter is not None:
        # The meter is part of the rule's JSON. Each of the three databases searches JSON in its own way.
        alarms = [alarm for alarm in alarms if alarm.rule.get("meter_name") == criteria.meter]
    return alarms


def create(connection: sa.Connection, record: Alarm, change: AlarmChange | None) -> None:
    """Store a new alarm and its change."""
    connection.execute(sa.insert(alarm), _columns(record))
    add_to_history(connection, change)


def update(connection: sa.Connection, record: Alarm, change: AlarmChange | None) -> None:
    """Replace an alarm. Raises NotFoundError."""
    values = _columns(record)
    result = connection.execute(sa.update(alarm).where(alarm.c.alarm_id == record.alarm_id).values(values))
    if not result.rowcount:
        raise NotFoundError(f"Alarm {record.alarm_id} not found")
    add_to_history(connection, change)


def delete(connection: sa.Connection, alarm_id: str, change: AlarmChange | None) -> None:
    """Delete an alarm; its history stays until it expires. Raises NotFoundError."""
    if not connection.execute(sa.delete(alarm).where(alarm.c.alarm_id == alarm_id)).rowcount:
        raise NotFoundError(f"Alarm {alarm_id} not found")
    add_to_history(connection, change)


def add_to_history(connection: sa.Connection, change: AlarmChange | None) -> None:
    """Store a change, if there is one."""
    if change is not None:
        connection.execute(sa.insert(alarm_history), _change_columns(change))


def _change_columns(change: AlarmChange) -> dict[str, Any]:
    values = {column.name: getattr(change, column.name) for column in alarm_history.columns}
    values["timestamp"] = timestamps.to_microseconds(change.timestamp)
    return values


def stored_changes(connection: sa.Connection, page: PageRequest) -> Page[AlarmChange]:
    """List the history of all alarms, oldest entry first."""
    query = OLDEST_FIRST.select_page(sa.select(alarm_history), page)
    rows, next_marker = OLDEST_FIRST.split(connection.execute(query).all(), page)
    return Page([_change(row) for row in rows], next_marker)


def record_changes(connection: sa.Connection, changes: Sequence[AlarmChange]) -> Stored:
    """Store entries of the history. An entry whose event_id is stored already is a duplicate."""
    by_id = {change.event_id: change for change in changes}
    present: set[str] = set()
    key = alarm_history.c.event_id
    for chunk in chunks(by_id):
        present.update(connection.scalars(sa.select(key).where(key.in_(chunk))))
    missing = [_change_columns(change) for event_id, change in by_id.items() if event_id not in present]
    insert_missing(connection, alarm_history, missing)
    return Stored(len(missing), len(changes) - len(missing))


def history(connection: sa.Connection, criteria: HistoryFilter) -> list[AlarmChange]:
    """List changes of an alarm, newest first."""
    table = alarm_history
    query = sa.select(table).where(
        table.c.alarm_id == criteria.alarm_id,
        *conditions.period(table.c.timestamp, criteria.start, criteria.start_op, criteria.end, criteria.end_op),
        *_conditions(table, criteria, ("on_behalf_of", "type", "severity")),
    )
    return [_change(row) for row in connection.execute(query.order_by(table.c.timestamp.desc(), table.c.event_id))]


def query_alarms(
    connection: sa.Connection, expression: Expression | None, orderings: Sequence[Ordering], limit: int
) -> list[Alarm]:
    """List alarms for which the expression is true; without orderings newest first."""
    return [from_row(row) for row in _query(connection, alarm, alarm.c.alarm_id, expression, orderings, limit)]


def query_history(
    connection: sa.Connection, expression: Expression | None, orderings: Sequence[Ordering], limit: int
) -> list[AlarmChange]:
    """List changes for which the expression is true; without orderings newest first."""
    rows = _query(connection, alarm_history, alarm_history.c.event_id, expression, orderings, limit)
    return [_change(row) for row in rows]


def _query(
    connection: sa.Connection,
    table: sa.Table,
    key: Any,
    expression: Expression | None,
    orderings: Sequence[Ordering],
    limit: int,
) -> Sequence[Any]:
    compiler = Compiler(connection, dict(table.c.items()))
    query = sa.select(table)
    if expression is not None:
        query = query.where(compiler.condition(expression))
    order = compiler.order(orderings) or [table.c.timestamp.desc()]
    return connection.execute(query.order_by(*order, key).limit(limit)).all()
