"""Every functional test runs against each database: SQLite, and PostgreSQL, MariaDB and MongoDB if they are installed.

TELEMETRY_TEST_DATABASES names the databases (default: sqlite,postgresql,mariadb,mongodb). A named database that is
not installed is an error. Without the variable, the tests of a database that is not
installed are skipped, with the reason in the report.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import webtest
from oslo_config import cfg
from telemetry import config
from telemetry.api.app import VersionSelector, make_v2
from telemetry.storage.interface import Driver
from telemetry.storage.mongodb import schema as mongodb_schema
from telemetry.storage.mongodb.driver import MongoDriver
from telemetry.storage.sqlalchemy import models
from telemetry.storage.sqlalchemy.driver import SQLDriver
from telemetry.storage.stores import Stores, load_driver

from tests import servers

NAMED = os.environ.get("TELEMETRY_TEST_DATABASES")
DATABASES = (NAMED or "sqlite,postgresql,mariadb,mongodb").split(",")


SERVERS = {"postgresql": servers.postgresql, "mariadb": servers.mariadb, "mongodb": servers.mongodb}


@pytest.fixture(scope="session", params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database with the schema."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'telemetry.sqlite'}"
        _upgrade(url)
        yield url
        return
    with _running(request.param) as (url, _):
        yield url


@contextlib.contextmanager
def _running(name: str) -> Iterator[tuple[str, servers.Server]]:
    """Run a database server; yield the URL of a database with the schema, and the server.

    Skip the test if the server is not installed and TELEMETRY_TEST_DATABASES is not set.
    """
    with contextlib.ExitStack() as stack:
        try:
            url, server = stack.enter_context(SERVERS[name]())
        except servers.MissingError as error:
            if NAMED:
                raise
            pytest.skip(f"{name}: {error}")
        _upgrade(url)
        yield url, server


def _upgrade(url: str) -> None:
    driver = load_driver(configuration(url), url)
    driver.upgrade()
    driver.close()


def configuration(url: str, **options: Any) -> cfg.ConfigOpts:
    """Return a configuration: noauth, this database; options are `name` or `group__name`."""
    conf = cfg.ConfigOpts()
    config.load(conf=conf, files=[os.devnull], logging=False)
    conf.set_override("connection", url, group="database")
    conf.set_override("auth_strategy", "noauth")
    # A loaded machine needs time. A test of an outage sets limits of its own.
    conf.set_override("connect_timeout", 120, group="database")
    conf.set_override("answer_timeout", 120, group="database")
    for name, value in options.items():
        group, _, option = name.rpartition("__")
        conf.set_override(option, value, group=group or None)
    return conf


@pytest.fixture(scope="session")
def cleaner(database: str) -> Iterator[Driver]:
    """A driver that deletes the rows of a test before the next one."""
    driver = load_driver(configuration(database), database)
    yield driver
    driver.close()


@pytest.fixture
def clean(database: str, cleaner: Driver) -> str:
    """The URL of a database with no rows in it."""
    if isinstance(cleaner, MongoDriver):
        with cleaner.database.use() as db:
            for name in mongodb_schema.INDEXES:
                db[name].delete_many({})
    elif isinstance(cleaner, SQLDriver):
        with cleaner.database.engine().begin() as connection:
            for table in reversed(models.metadata.sorted_tables):
                connection.execute(table.delete())
    return database


NAMED_SERVERS: list[Any] = [name for name in DATABASES if name != "sqlite"]
NO_SERVER = pytest.param("", marks=pytest.mark.skip(reason="TELEMETRY_TEST_DATABASES names no database server"))


@pytest.fixture(params=NAMED_SERVERS or [NO_SERVER])
def restarted(request: pytest.FixtureRequest) -> Iterator[tuple[str, servers.Server]]:
    """A server of the test's own, which it may stop and start."""
    with _running(request.param) as url_and_server:
        yield url_and_server


Api = Callable[..., webtest.TestApp]


@pytest.fixture
def make_api(clean: str) -> Iterator[Api]:
    """Make an application with options, on the clean database."""
    opened = []

    def make(**options: Any) -> webtest.TestApp:
        conf = configuration(clean, **options)
        stores = Stores(conf)
        opened.append(stores)
        return webtest.TestApp(VersionSelector(make_v2(conf, stores)))

    yield make
    for stores in opened:
        stores.close()


@pytest.fixture
def api(make_api: Api) -> webtest.TestApp:
    """The application, noauth."""
    return make_api()


@pytest.fixture
def policy_file(tmp_path: Path) -> Callable[[str], str]:
    """Write a policy file and return its path."""

    def write(text: str) -> str:
        path = tmp_path / "policy.yaml"
        path.write_text(text)
        return str(path)

    return write
