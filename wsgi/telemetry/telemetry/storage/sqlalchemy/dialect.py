"""The few statements that the databases spell differently."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite

from telemetry import timestamps

T = TypeVar("T")
# Below the smallest limit of bound values in a statement, SQLite's.
CHUNK = 500


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cut into lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_missing(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows, leaving out those whose unique key is there already."""
    if not rows:
        return
    key = next(iter(table.primary_key.columns))
    match connection.dialect.name:
        case "sqlite":
            connection.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)
        case "postgresql":
            connection.execute(_from_arrays(table, rows).on_conflict_do_nothing())
        case _:
            connection.execute(mysql.insert(table).on_duplicate_key_update({key.name: key}), rows)


Changes = Callable[[Any], list[tuple[str, Any]]]


def merge(
    connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]], changes: Changes,
    only_if: Callable[[Any], Any] | None = None,
) -> None:
    """Insert rows in one statement; where the primary key is there already, assign `changes(new row)` instead.

    MariaDB assigns in the order of the list and sees what it has assigned. `only_if` spares the other databases
    updates that change nothing, which MariaDB finds out by itself.
    """
    if not rows:
        return
    match connection.dialect.name:
        case "sqlite" | "postgresql" as name:
            made: Any = sqlite.insert(table) if name == "sqlite" else _from_arrays(table, rows)
            statement: Any = made.on_conflict_do_update(
                index_elements=list(table.primary_key.columns), set_=dict(changes(made.excluded)),
                where=only_if(made.excluded) if only_if else None,
            )
        case _:
            made = mysql.insert(table)
            statement = made.on_duplicate_key_update(changes(made.inserted))
    if connection.dialect.name == "postgresql":
        connection.execute(statement)
    else:
        connection.execute(statement, rows)


def _from_arrays(table: sa.Table, rows: Sequence[dict[str, Any]]) -> Any:
    """Return an insert of rows that are sent as one array a column: psycopg2 would send row after row."""
    # The tables' options load the other dialects anyway; this one costs a process that does not need it 3 MB.
    from sqlalchemy.dialects import postgresql

    columns = []
    for name in rows[0]:
        kind = table.c[name].type
        array = postgresql.ARRAY(sa.Text() if isinstance(kind, sa.String) else kind)
        values = sa.bindparam(f"{name}_values", [row[name] for row in rows], type_=array)
        columns.append(sa.func.unnest(sa.cast(values, array)).label(name))
    return postgresql.insert(table).from_select(list(rows[0]), sa.select(*columns), include_defaults=False)


def column_value(value: Any) -> Any:
    """Return a value as a column stores it: a datetime as microseconds since 1970, anything else unchanged."""
    return timestamps.to_microseconds(value) if isinstance(value, dt.datetime) else value


def whole_quotient(connection: sa.Connection, value: Any, divisor: int) -> sa.ColumnElement[int]:
    """The whole part of value / divisor, for value >= 0; `/` alone makes a fraction on MariaDB."""
    operator = "DIV" if connection.dialect.name == "mysql" else "/"
    return sa.type_coerce(value.op(operator, precedence=8)(sa.literal_column(str(divisor))), sa.BigInteger)


def matches(connection: sa.Connection, value: Any, pattern: str) -> sa.ColumnElement[bool]:
    """`value` as text matches the regular expression, as the database understands it."""
    text = sa.cast(value, sa.Text) if connection.dialect.name != "mysql" else sa.cast(value, mysql.CHAR)
    return text.regexp_match(pattern)
