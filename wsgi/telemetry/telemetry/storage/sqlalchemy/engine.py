"""Connections to a database. A write transaction that meets a deadlock is repeated."""

import contextlib
import logging
import math
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlencode

import sqlalchemy as sa
from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_db.sqlalchemy import engines
from sqlalchemy import exc

from telemetry.errors import BadQueryError, NoSchemaError, SchemaMismatchError, UnavailableError
from telemetry.storage.sqlalchemy import patience, schema

LOG = logging.getLogger(__name__)
T = TypeVar("T")
DRIVERS = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql", "mariadb": "mysql+pymysql"}
# The pauses after 8 attempts add up to 1.6 s.
WRITE_ATTEMPTS = 8
# Idle connections that are kept. Each has a page cache of its own.
SQLITE_KEPT = 2
# Messages about a value or an expression of the client.
BAD_VALUE = re.compile(
    r"regular expression|regexp|invalid input syntax|out of range|user-defined function raised", re.IGNORECASE
)
# Messages of a database that cannot answer now.
BUSY = re.compile(
    r"database is locked|unable to open database|disk I/O error|no such table|readonly database|"
    r"connection to server|connect to server|can't connect|connection refused|server closed|terminating connection|"
    r"lost connection|gone away|took too long|statement timeout|max_statement_time|execution was interrupted|"
    r"lock wait timeout|"
    r"is starting up|shutting down|recovery mode|too many connections|remaining connection slots|not currently accept",
    re.IGNORECASE,
)


class PopulationDeviation:
    """stddev_pop for SQLite, by Welford's method: one pass, and exact for large values that differ little."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0

    def step(self, value: float | None) -> None:
        """Add a value."""
        if value is None:
            return
        self.count += 1
        delta = value - self.mean
        self.mean += delta / self.count
        self.squares += delta * (value - self.mean)

    def finalize(self) -> float | None:
        """Return the deviation, or None without values."""
        return math.sqrt(self.squares / self.count) if self.count else None


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise the exceptions of telemetry.errors in place of those of the database libraries."""
    try:
        yield
    except (db_exception.DBConnectionError, db_exception.DBDeadlock, exc.TimeoutError) as error:
        raise UnavailableError("The database does not answer") from error
    except sqlite3.OperationalError as error:
        raise UnavailableError("The database does not answer") from error
    except (db_exception.DBDataError, db_exception.DBNotSupportedError) as error:
        raise BadQueryError("The database cannot take one of the values") from error
    except (db_exception.DBError, exc.DBAPIError) as error:
        if BUSY.search(str(error)):
            raise UnavailableError("The database does not answer") from error
        if BAD_VALUE.search(str(error)):
            raise BadQueryError("The database cannot take one of the values") from error
        raise


class Database:
    """One database. `read()` and `write()` check the schema once, and run a transaction."""

    def __init__(self, conf: cfg.ConfigOpts, url: str) -> None:
        self._conf = conf
        self.url = sa.make_url(url)
        self.backend = self.url.get_backend_name().replace("mariadb", "mysql")
        if self.url.drivername in DRIVERS:
            self.url = self.url.set(drivername=DRIVERS[self.url.drivername])
        self._engine: sa.Engine | None = None
        self._checked = False
        self._lock = threading.Lock()

    def _parameters(self, create: bool) -> tuple[sa.URL, dict[str, str]]:
        options = self._conf.database
        connect, answer = options.connect_timeout, options.answer_timeout
        if self.backend == "postgresql":
            return self.url, {
                "connect_timeout": str(connect),
                "tcp_user_timeout": str(answer * 1000),
                "options": f"-c statement_timeout={answer * 1000} -c timezone=UTC",
            }
        if self.backend == "mysql":
            return self.url, {
                "charset": "utf8mb4",
                "connect_timeout": str(connect),
                "read_timeout": str(answer),
                "write_timeout": str(answer),
            }
        if self.url.database in (None, "", ":memory:"):
            return self.url, {}
        # Only telemetry-upgrade creates the file. Otherwise a missing database would look like an empty one.
        mode = "rwc" if create else "rw"
        return self.url.set(database=f"file:{self.url.database}"), {"mode": mode, "uri": "true", "timeout": str(answer)}

    def engine(self, create: bool = False) -> sa.Engine:
        """Return the engine, without connecting. `create` makes a new engine, which may create an SQLite file."""
        with self._lock:
            if self._engine is None or create:
                options = self._conf.database
                url, parameters = self._parameters(create)
                # A parameter of the URL itself must not appear twice.
                parameters = {name: value for name, value in parameters.items() if name not in url.query}
                engine: sa.Engine = engines.create_engine(
                    url,
                    sqlite_fk=True,
                    mysql_sql_mode="TRADITIONAL",
                    connection_recycle_time=options.connection_recycle_time,
                    max_retries=0,
                    connection_parameters=urlencode(parameters),
                    **(
                        {"_engine_target": _pooled}
                        if self.backend == "sqlite"
                        else {
                            "max_pool_size": options.max_pool_size,
                            "max_overflow": options.max_overflow,
                            "pool_timeout": options.pool_timeout or options.connect_timeout,
                        }
                    ),
                )
                self._listen(engine)
                if create:
                    return engine
                self._engine = engine
            return self._engine

    def _listen(self, engine: sa.Engine) -> None:
        if self.backend == "postgresql":
            patience.limit(self._conf.database.answer_timeout)
        elif self.backend == "sqlite":
            sa.event.listen(engine, "connect", _prepare_sqlite)
            if isinstance(engine.pool, sa.QueuePool):
                _follow_file(engine, str(self.url.database))
        elif self.backend == "mysql":
            sa.event.listen(engine, "connect", _prepare_mysql)

    def check(self) -> None:
        """Connect and compare the schema. Raises UnavailableError or SchemaMismatchError."""
        path = self.url.database
        if self.backend == "sqlite" and path not in (None, "", ":memory:"):
            try:
                # stat, not open: closing the file would drop the locks of this process's connections, and another
                # process could then delete the write-ahead log that they use.
                os.stat(str(path))
            except FileNotFoundError:
                raise NoSchemaError(f"The database {path} does not exist. Run: telemetry-upgrade") from None
            except OSError as error:
                raise UnavailableError(f"The database {path} cannot be opened: {error.strerror}") from error
        with translated(), self.engine().connect() as connection:
            schema.require_head(schema.current(connection))
        self._checked = True

    def _ready(self) -> sa.Engine:
        if not self._checked:
            try:
                self.check()
            except SchemaMismatchError as error:
                raise UnavailableError(str(error)) from error
        return self.engine()

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Yield a connection in a transaction for reading. Raises UnavailableError and BadQueryError."""
        with translated(), self._ready().connect() as connection:
            yield connection

    def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Run `work` in a transaction and return its result. Repeat it after a conflict with another writer.

        Raises UnavailableError after WRITE_ATTEMPTS conflicts, and every exception of `work`.
        """
        engine = self._ready()
        for attempt in range(WRITE_ATTEMPTS):
            with translated():
                try:
                    with engine.connect() as connection:
                        self._begin_immediately(connection)
                        with connection.begin():
                            return work(connection)
                except (
                    db_exception.DBDeadlock,
                    db_exception.DBDuplicateEntry,
                    db_exception.DBReferenceError,
                ) as error:
                    LOG.info("Conflict with another writer (%s), trying again", type(error).__name__)
            time.sleep(min(0.01 * 2**attempt, 0.5))
        raise UnavailableError("Conflicts with other writers did not end")

    def _begin_immediately(self, connection: sa.Connection) -> None:
        """Take SQLite's write lock first. A transaction that reads first fails if another one writes in between."""
        if self.backend == "sqlite":
            driver: Any = connection.connection.dbapi_connection
            driver.execute("BEGIN IMMEDIATE")
            # Without this mark, oslo.db begins another transaction.
            connection.info["in_transaction"] = True

    def dispose(self) -> None:
        """Close idle connections. The next use opens new ones."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None
            self._checked = False


def _pooled(url: sa.URL, **arguments: Any) -> tuple[sa.Engine, sa.Engine]:
    """Make the engine for SQLite with a pool of connections. oslo.db would open a connection for each transaction.

    Closing the last connection waits for a checkpoint of the whole write-ahead log, and a new connection reads the
    schema again.
    """
    if arguments.get("poolclass") is sa.NullPool:
        # Threads beyond SQLITE_KEPT open connections that are closed after use.
        arguments.update(poolclass=sa.QueuePool, pool_size=SQLITE_KEPT, max_overflow=-1)
    engine = sa.create_engine(url, **arguments)
    return engine, engine


def _follow_file(engine: sa.Engine, path: str) -> None:
    """Replace pooled connections after the database file was moved or replaced."""

    def identity() -> tuple[int, int] | None:
        try:
            status = os.stat(path)
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def remember(connection: Any, record: Any) -> None:
        record.info["file"] = identity()

    def compare(connection: Any, record: Any, proxy: Any) -> None:
        if record.info["file"] != identity():
            raise exc.DisconnectionError(f"{path} is another file now")

    sa.event.listen(engine, "connect", remember)
    sa.event.listen(engine, "checkout", compare)


def _prepare_sqlite(connection: Any, record: Any) -> None:
    # FULL syncs at each commit, even in WAL mode. NORMAL may lose the last commits at a power failure, but no more.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.create_aggregate("stddev_pop", 1, PopulationDeviation)


def _prepare_mysql(connection: Any, record: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
