"""Alarms and their history."""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from telemetry import timestamps
from telemetry.errors import NotFoundError
from telemetry.query.expression import Expression, Ordering
from telemetry.storage.filters import AlarmFilter, HistoryFilter
from telemetry.storage.records import Alarm, AlarmChange
from telemetry.storage.sqlalchemy import conditions
from telemetry.storage.sqlalchemy.complex_query import Compiler
from telemetry.storage.sqlalchemy.models import alarm, alarm_history

JSON_COLUMNS = ("ok_actions", "alarm_actions", "insufficient_data_actions", "rule", "time_constraints")
TIME_COLUMNS = ("timestamp", "state_timestamp")


def _columns(record: Alarm) -> dict[str, Any]:
    values = {column.name: getattr(record, column.name) for column in alarm.columns}
    values.update({name: json.dumps(values[name]) for name in JSON_COLUMNS})
    values.update({name: timestamps.to_microseconds(values[name]) for name in TIME_COLUMNS})
    return values


def _alarm(row: Any) -> Alarm:
    values = dict(row._mapping)
    values.update({name: json.loads(values[name]) for name in JSON_COLUMNS})
    values.update({name: timestamps.from_microseconds(values[name]) for name in TIME_COLUMNS})
    return Alarm(**values)


def _change(row: Any) -> AlarmChange:
    values = dict(row._mapping)
    values["timestamp"] = timestamps.from_microseconds(values["timestamp"])
    return AlarmChange(**values)


def _conditions(table: sa.Table, wanted: AlarmFilter | HistoryFilter, names: Sequence[str]) -> list[Any]:
    """Return the conditions on the columns `names` and on the owner, for the filter's members that are set."""
    where: list[Any] = [table.c[name] == getattr(wanted, name) for name in names if getattr(wanted, name) is not None]
    if wanted.user is not None:
        where.append(conditions.owner(table.c.user_id, wanted.user))
    if wanted.project is not None:
        where.append(conditions.owner(table.c.project_id, wanted.project))
    return where


def listing(connection: sa.Connection, wanted: AlarmFilter) -> list[Alarm]:
    """List alarms, newest timestamp first."""
    where = _conditions(alarm, wanted, ("alarm_id", "name", "enabled", "state", "type", "severity"))
    query = sa.select(alarm).where(*where)
    rows = connection.execute(query.order_by(alarm.c.timestamp.desc(), alarm.c.alarm_id))
    found = [_alarm(row) for row in rows]
    if wanted.meter is not None:
        # The meter stands inside the rule's JSON, which the three databases search in three ways.
        found = [one for one in found if one.rule.get("meter_name") == wanted.meter]
    return found


def create(connection: sa.Connection, record: Alarm, change: AlarmChange | None) -> None:
    """Store a new alarm and its change."""
    connection.execute(sa.insert(alarm), _columns(record))
    _remember(connection, change)


def update(connection: sa.Connection, record: Alarm, change: AlarmChange | None) -> None:
    """Replace an alarm. Raises NotFoundError."""
    values = _columns(record)
    result = connection.execute(sa.update(alarm).where(alarm.c.alarm_id == record.alarm_id).values(values))
    if not result.rowcount:
        raise NotFoundError(f"Alarm {record.alarm_id} not found")
    _remember(connection, change)


def delete(connection: sa.Connection, alarm_id: str, change: AlarmChange | None) -> None:
    """Delete an alarm; its history stays until it expires. Raises NotFoundError."""
    if not connection.execute(sa.delete(alarm).where(alarm.c.alarm_id == alarm_id)).rowcount:
        raise NotFoundError(f"Alarm {alarm_id} not found")
    _remember(connection, change)


def _remember(connection: sa.Connection, change: AlarmChange | None) -> None:
    if change is not None:
        values = {column.name: getattr(change, column.name) for column in alarm_history.columns}
        values["timestamp"] = timestamps.to_microseconds(change.timestamp)
        connection.execute(sa.insert(alarm_history), values)


def history(connection: sa.Connection, wanted: HistoryFilter) -> list[AlarmChange]:
    """List changes of an alarm, newest first."""
    table = alarm_history
    query = sa.select(table).where(
        table.c.alarm_id == wanted.alarm_id,
        *conditions.period(table.c.timestamp, wanted.start, wanted.start_op, wanted.end, wanted.end_op),
        *_conditions(table, wanted, ("on_behalf_of", "type", "severity")),
    )
    return [_change(row) for row in connection.execute(query.order_by(table.c.timestamp.desc(), table.c.event_id))]


def query_alarms(
    connection: sa.Connection, expression: Expression | None, orderings: Sequence[Ordering], limit: int
) -> list[Alarm]:
    """List alarms for which the expression is true; without orderings newest first."""
    return [_alarm(row) for row in _query(connection, alarm, alarm.c.alarm_id, expression, orderings, limit)]


def query_history(
    connection: sa.Connection, expression: Expression | None, orderings: Sequence[Ordering], limit: int
) -> list[AlarmChange]:
    """List changes for which the expression is true; without orderings newest first."""
    rows = _query(connection, alarm_history, alarm_history.c.event_id, expression, orderings, limit)
    return [_change(row) for row in rows]


def _query(
    connection: sa.Connection, table: sa.Table, key: Any, expression: Expression | None,
    orderings: Sequence[Ordering], limit: int,
) -> Sequence[Any]:
    compiler = Compiler(connection, dict(table.c.items()))
    query = sa.select(table)
    if expression is not None:
        query = query.where(compiler.condition(expression))
    order = compiler.order(orderings) or [table.c.timestamp.desc()]
    return connection.execute(query.order_by(*order, key).limit(limit)).all()
