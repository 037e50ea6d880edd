"""The row of a database that hosts share to agree on which of them runs an agent.

It is in the application's own database, in the table ``grove_agents``, which this module makes where it is missing.
Each change is one statement of its own that names the version or the holder that it expects, so that of two hosts one
succeeds. Galera certifies each change on all its members, so this also holds for hosts that reach two of them. Locks of
a session (``GET_LOCK``, as tooz uses them) would not do: they are on one member alone, and end with the connection
while their holder goes on.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

from .lease_rules import FREE, HELD, QUERY_SECONDS, Row

TABLE = "grove_agents"
NAME_LENGTH, HOLDER_LENGTH, HOST_LENGTH = 95, 32, 64
"""Characters of an application's name and its agent's, of the name of a process, and of a host's (HOST_NAME_MAX)."""
COLUMNS = (
    f"agent VARCHAR({NAME_LENGTH}) NOT NULL PRIMARY KEY, holder VARCHAR({HOLDER_LENGTH}) NOT NULL,"
    f" host VARCHAR({HOST_LENGTH}) NOT NULL, state VARCHAR(8) NOT NULL, failures INTEGER NOT NULL,"
    " version BIGINT NOT NULL"
)
"""Galera needs the primary key."""
DRIVERS = {"mysql": ("pymysql", "MySQLdb"), "mariadb": ("pymysql", "MySQLdb"), "postgresql": ("psycopg2", "psycopg")}
"""The modules by which SQLAlchemy reaches a server, by the kind of server. The first one that is there is used where
the URL names none, or one for asyncio."""
DRIVER_NAMES = {"MySQLdb": "mysqldb"}


class UrlError(Exception):
    """A URL names no server that several hosts can share, or one for which the application has no driver."""


def complete_url(url: str) -> Any:
    """Return a URL with a driver that is there, and that waits for answers. Raises UrlError, and as SQLAlchemy."""
    from sqlalchemy.engine import make_url

    # The name that PostgreSQL's own programs use.
    parsed = make_url("postgresql" + url[8:] if url.startswith("postgres:") else url)
    kind, _, driver = parsed.drivername.partition("+")
    if kind not in DRIVERS:
        kinds = ", ".join(sorted(DRIVERS))
        raise UrlError(f"a database of {kind} cannot be shared by several hosts in this way; there are {kinds}")
    known = [name for name in DRIVERS[kind] if importlib.util.find_spec(name)]
    names = [DRIVER_NAMES.get(name, name) for name in known]
    if not names:
        raise UrlError(f"the release has no driver for {kind}: install {' or '.join(DRIVERS[kind])}")
    return parsed.set(drivername=f"{kind}+{driver if driver in names else names[0]}")


def time_limits(driver: str) -> dict[str, Any]:
    """Return the arguments of a driver that bound how long a connection and a query may take."""
    if driver in ("pymysql", "mysqldb"):
        return dict.fromkeys(("connect_timeout", "read_timeout", "write_timeout"), QUERY_SECONDS)
    return {
        "connect_timeout": QUERY_SECONDS,
        "options": f"-c statement_timeout={QUERY_SECONDS * 1000}",
        # Without an answer of the other host's kernel, the connection ends.
        "tcp_user_timeout": QUERY_SECONDS * 1000,
        "keepalives": 1,
        "keepalives_idle": 1,
        "keepalives_interval": 1,
        "keepalives_count": 3,
    }


class Table:
    """The row of one agent, by a connection that is made when it is needed. The methods raise as SQLAlchemy."""

    def __init__(self, url: Callable[[], str], agent: str) -> None:
        # A function, since credentials may have changed when the next connection is made.
        self._url, self._agent = url, agent
        self._connection: Any = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection. A new one may lead to another server."""
        return self._connection is not None

    def look(self) -> Row:
        """Return the row; make it if it is not there."""
        row = self._read()
        if row is None:
            self._insert()
            row = self._read()
        if row is None:
            raise RuntimeError(f"the row {self._agent} of the table {TABLE} cannot be made")
        return row

    def take(self, row: Row, holder: str, host: str, failures: int) -> bool:
        """Make ``holder`` the holder of the row if it is as it was seen; return whether it was."""
        return self._change(
            "holder = :me, host = :host, state = :state, failures = :failures",
            "holder = :seen AND version = :version",
            me=holder,
            host=host,
            state=HELD,
            failures=failures,
            seen=row.holder,
            version=row.version,
        )

    def renew(self, holder: str) -> bool:
        """Give the row a new version if ``holder`` still holds it; return whether it does."""
        return self._change("state = :state", "holder = :me AND state = :state", me=holder, state=HELD)

    def give_back(self, holder: str, state: str, failures: int) -> bool:
        """Let nobody hold the row if ``holder`` does; return whether it did."""
        return self._change(
            "holder = '', state = :state, failures = :failures",
            "holder = :me",
            me=holder,
            state=state,
            failures=failures,
        )

    def close(self) -> None:
        """Close the connection, also one that is broken."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.invalidate()
            finally:
                connection.close()

    def _change(self, values: str, condition: str, **parameters: Any) -> bool:
        text = f"UPDATE {TABLE} SET version = version + 1, {values} WHERE agent = :agent AND {condition}"
        return int(self._execute(text, agent=self._agent, **parameters).rowcount) == 1

    def _read(self) -> Row | None:
        text = f"SELECT holder, host, state, failures, version FROM {TABLE} WHERE agent = :agent"
        found = self._execute(text, agent=self._agent).fetchone()
        if found is None:
            return None
        holder, host, state, failures, version = found
        return Row(str(holder), str(host), str(state), int(failures), int(version))

    def _insert(self) -> None:
        from sqlalchemy.exc import IntegrityError

        try:
            self._execute(
                f"INSERT INTO {TABLE} (agent, holder, host, state, failures, version)"
                " VALUES (:agent, '', '', :state, 0, 0)",
                agent=self._agent,
                state=FREE,
            )
        except IntegrityError:
            # Another host was faster.
            return

    def _execute(self, text: str, **parameters: Any) -> Any:
        import sqlalchemy

        return self._opened().execute(sqlalchemy.text(text), parameters)

    def _opened(self) -> Any:
        import sqlalchemy

        if self._connection is None:
            url = complete_url(self._url())
            limits = time_limits(url.get_dialect().driver)
            # Each statement is a transaction of its own.
            engine = sqlalchemy.create_engine(
                url, poolclass=sqlalchemy.pool.NullPool, isolation_level="AUTOCOMMIT", connect_args=limits
            )
            self._connection = engine.connect()
            # With Galera, each CREATE TABLE stops the writes of all members for a moment.
            if not sqlalchemy.inspect(self._connection).has_table(TABLE):
                # Galera replicates this engine alone.
                engine_of_table = "" if url.get_backend_name() == "postgresql" else " ENGINE=InnoDB"
                text = f"CREATE TABLE IF NOT EXISTS {TABLE} ({COLUMNS}){engine_of_table}"
                self._connection.execute(sqlalchemy.text(text))
        return self._connection
