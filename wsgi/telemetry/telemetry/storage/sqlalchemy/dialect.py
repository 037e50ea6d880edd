"""The statements and expressions that differ between the databases."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite

from telemetry import timestamps

T = TypeVar("T")
# Bound values in a statement. SQLite has the smallest limit: 999 in old versions.
CHUNK = 500


def chunks(items: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cut into lists of at most `size` items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def insert_missing(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows. A row whose unique key exists already is skipped."""
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
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    changes: Changes,
    only_if: Callable[[Any], Any] | None = None,
) -> None:
    """Insert rows in one statement. If the primary key of a row exists already, assign `changes(new row)` instead.

    MariaDB assigns in the order of the list, and a later assignment sees the new value of an earlier one. `only_if` is
    the condition for the assignment. PostgreSQL and SQLite need it to avoid updates that change nothing; MariaDB
    avoids them itself and does not use it.
    """
    if not rows:
        return
    match connection.dialect.name:
        case "sqlite" | "postgresql" as name:
            insert: Any = sqlite.insert(table) if name == "sqlite" else _from_arrays(table, rows)
            statement: Any = insert.on_conflict_do_update(
                index_elements=list(table.primary_key.columns),
                set_=dict(changes(insert.excluded)),
                where=only_if(insert.excluded) if only_if else None,
            )
        case _:
            insert = mysql.insert(table)
            statement = insert.on_duplicate_key_update(changes(insert.inserted))
    if connection.dialect.name == "postgresql":
        connection.execute(statement)
    else:
        connection.execute(statement, rows)


def _from_arrays(table: sa.Table, rows: Sequence[dict[str, Any]]) -> Any:
    """Return an insert that sends one array for each column. psycopg2 would send the rows one by one."""
    # Imported only if needed: it takes 3 MB. The options of the tables load the other dialects in any case.
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
    """Return the whole part of value / divisor, for value >= 0. On MariaDB, `/` makes a fraction."""
    operator = "DIV" if connection.dialect.name == "mysql" else "/"
    return sa.type_coerce(value.op(operator, precedence=8)(sa.literal_column(str(divisor))), sa.BigInteger)


def matches(connection: sa.Connection, value: Any, pattern: str) -> sa.ColumnElement[bool]:
    """Return the condition that `value` as text matches a regular expression of the database.

    Without a value, the condition is NULL. SQLAlchemy's function for SQLite would make it false, and its negation true.
    """
    text = sa.cast(value, sa.Text) if connection.dialect.name != "mysql" else sa.cast(value, mysql.CHAR)
    if connection.dialect.name == "sqlite":
        return sa.case((text.is_(None), sa.null()), else_=text.regexp_match(pattern))
    return text.regexp_match(pattern)
