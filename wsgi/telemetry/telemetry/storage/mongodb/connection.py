"""The connection to MongoDB, and its errors as those of telemetry.errors."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import bson.errors
import pymongo
import pymongo.errors
from oslo_config import cfg
from pymongo.uri_parser import parse_uri

from telemetry.errors import BadQueryError, SchemaMismatchError, TelemetryError, UnavailableError
from telemetry.storage.mongodb import schema

DEFAULT_NAME = "telemetry"
# A bad regular expression, and an expression whose value has no type that it can work with.
BAD_VALUE = frozenset({2, 51091, 51111, 51075, 51105, 51108, 16702, 241})
# Unauthorized, authentication failed.
REFUSED = frozenset({13, 18})
# Not primary, shutting down, interrupted, exceeded time: the server says so itself.
BUSY = frozenset({50, 89, 91, 189, 262, 10107, 11600, 11602, 13435, 13436})


class Sequence:
    """Numbers that grow within a process, and nearly so across processes: nanoseconds since 1970."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def take(self, count: int) -> Iterator[int]:
        """Return the next `count` numbers."""
        with self._lock:
            first = max(self._last + 1, time.time_ns())
            self._last = first + count
        return itertools.islice(itertools.count(first), count)


SEQUENCE = Sequence()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise the exceptions of telemetry.errors in place of pymongo's."""
    try:
        yield
    # A name that no server of names knows is an error of the configuration for pymongo.
    except (
        pymongo.errors.ConnectionFailure,
        pymongo.errors.ExecutionTimeout,
        pymongo.errors.ConfigurationError,
    ) as error:
        raise UnavailableError("The database does not answer") from error
    except pymongo.errors.OperationFailure as error:
        if error.code in BUSY or error.has_error_label("RetryableWriteError"):
            raise UnavailableError("The database does not answer") from error
        if error.code in REFUSED:
            raise UnavailableError("The database refuses the user of the connection") from error
        if error.code in BAD_VALUE:
            raise BadQueryError("The database cannot take one of the values") from error
        raise
    except (pymongo.errors.DocumentTooLarge, bson.errors.InvalidDocument, OverflowError) as error:
        raise BadQueryError("The database cannot take one of the values") from error


def check_url(url: str) -> None:
    """Raise TelemetryError for a URL that pymongo cannot read. It is not connected to."""
    base, _, query = url.partition("?")
    by_name = base.startswith("mongodb+srv://")
    try:
        if by_name:
            # pymongo would ask for the servers of the name.
            host = urlsplit(base)
            if host.port or (host.hostname or "").count(".") < 2:
                raise pymongo.errors.InvalidURI("mongodb+srv:// takes a name with two dots, and no port")
        else:
            parse_uri(base)
    except (pymongo.errors.PyMongoError, ValueError) as error:
        raise TelemetryError(f"The connection is no URL of MongoDB: {error}") from error
    for name, value in parse_qsl(query, keep_blank_values=True):
        if by_name and name.lower().startswith("srv"):
            continue
        try:
            parse_uri(f"mongodb://host/?{urlencode({name: value})}", warn=False)
        except (pymongo.errors.PyMongoError, ValueError) as error:
            raise TelemetryError(f"The option {name} in the connection to MongoDB is wrong: {error}") from error


class Database:
    """One database. `use()` checks the schema once, and yields pymongo's object."""

    def __init__(self, conf: cfg.ConfigOpts, url: str) -> None:
        check_url(url)
        self._conf = conf
        self._url = url
        self._client: Any = None
        self._checked = False
        self._lock = threading.Lock()

    def _db(self) -> Any:
        with self._lock:
            if self._client is None:
                options = self._conf.database
                parameters = {
                    # A refused connection is tried again until the first of these times has passed.
                    "serverSelectionTimeoutMS": options.connect_timeout * 500,
                    "connectTimeoutMS": options.connect_timeout * 1000,
                    "socketTimeoutMS": options.answer_timeout * 1000,
                    "maxPoolSize": (options.max_pool_size or 5) + (options.max_overflow or 0),
                    "waitQueueTimeoutMS": (options.pool_timeout or options.connect_timeout) * 1000,
                    # What is acknowledged survives a crash of the server.
                    "journal": True,
                    "appname": "telemetry",
                }
                # What the URL itself says counts.
                in_url = {name.lower() for name, _ in parse_qsl(urlsplit(self._url).query)}
                parameters = {name: value for name, value in parameters.items() if name.lower() not in in_url}
                self._client = pymongo.MongoClient(self._url, connect=False, **parameters)
            return self._client.get_default_database(DEFAULT_NAME)

    def check(self) -> None:
        """Connect and compare the schema. Raises UnavailableError or SchemaMismatchError."""
        with translated():
            schema.require_head(schema.current(self._db()))
        self._checked = True

    @contextlib.contextmanager
    def use(self) -> Iterator[Any]:
        """Yield pymongo's database. Raises UnavailableError and BadQueryError."""
        if not self._checked:
            try:
                self.check()
            except SchemaMismatchError as error:
                raise UnavailableError(str(error)) from error
        with translated():
            yield self._db()

    def upgrade(self, revision: str) -> str:
        """Create what a version of the schema needs. Return this version."""
        with translated():
            schema.upgrade(self._db(), revision)
            schema.apply_retention(self._db(), self._conf)
        return revision

    def apply_retention(self) -> None:
        """Make the server delete old documents as the configuration has it now."""
        with self.use() as db:
            schema.apply_retention(db, self._conf)

    def close(self) -> None:
        """Close all connections. The next use opens new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None
            self._checked = False
