"""Databases that do not answer, come back, or have another schema; and several writers at the same time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
import webtest
from telemetry.api.app import VersionSelector, make_v2
from telemetry.errors import SchemaMismatchError
from telemetry.storage.mongodb import schema as mongodb_schema
from telemetry.storage.sqlalchemy import schema
from telemetry.storage.sqlalchemy.driver import SQLDriver
from telemetry.storage.stores import Stores

from tests import servers
from tests.conftest import configuration
from tests.functional.calls import fault, sample


def application(url: str, **options: Any) -> webtest.TestApp:
    conf = configuration(url, **options)
    return webtest.TestApp(VersionSelector(make_v2(conf, Stores(conf))))


def patient(call: Callable[[], webtest.TestResponse]) -> webtest.TestResponse:
    """Repeat a request while it is answered 503: a loaded machine may need longer than the time limits of the API."""
    deadline = time.monotonic() + 120
    answer = call()
    while answer.status_int == 503 and time.monotonic() < deadline:
        time.sleep(0.2)
        answer = call()
    return answer


def store(api: webtest.TestApp, message_id: str) -> None:
    """Store a sample. An attempt whose answer got lost stores the same sample."""
    body = json.dumps(sample(message_id=message_id)).encode()
    kind = "application/x-ndjson"
    answer = patient(lambda: api.post("/v2/samples", body, content_type=kind, expect_errors=True))
    assert answer.status_int == 201, answer.body


def stored(api: webtest.TestApp) -> int:
    """Return the number of samples."""
    answer = patient(lambda: api.get("/v2/samples", expect_errors=True))
    assert answer.status_int == 200, answer.body
    return len(answer.json)


def away(api: webtest.TestApp) -> None:
    for answer in (
        api.get("/v2/samples", status=503),
        api.post_json("/v2/meters/cpu", [sample()], status=503),
        api.get("/v2/alarms", status=503),
        api.post_json("/v2/query/samples", {}, status=503),
    ):
        assert fault(answer) == "The database does not answer"
        assert answer.headers["Retry-After"] == "5"


def test_database_away_at_start_and_later(restarted: tuple[str, servers.Server]) -> None:
    url, server = restarted
    server.stop(signal.SIGINT if url.startswith("postgresql") else signal.SIGTERM)
    api = application(url, database__connect_timeout=5, database__answer_timeout=30)
    away(api)
    server.start()
    store(api, "first")
    server.stop(signal.SIGKILL)
    away(api)
    server.start()
    assert stored(api) == 1
    store(api, "second")
    assert stored(api) == 2


def test_database_that_takes_connections_and_is_silent(restarted: tuple[str, servers.Server]) -> None:
    url, server = restarted
    api = application(url, database__connect_timeout=2, database__answer_timeout=2)
    store(api, "first")
    process = server._process
    assert process is not None
    family = [process.pid, *(int(pid) for pid in _children(process.pid))]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    while not all("State:\tT" in Path(f"/proc/{pid}/status").read_text() for pid in family):
        time.sleep(0.05)
    try:
        # Without a time limit, this request would not end.
        api.get("/v2/samples", status=503)
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)
    assert stored(api) == 1


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_sqlite_file_that_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.sqlite"
    url = f"sqlite:///{path}"
    SQLDriver(configuration(url), url).upgrade()
    api = application(url)
    path.rename(tmp_path / "elsewhere")
    api.get("/v2/samples", status=503)
    (tmp_path / "elsewhere").rename(path)
    assert api.get("/v2/samples").json == []


def test_sqlite_file_that_is_replaced(tmp_path: Path) -> None:
    """After a backup is restored, no connection may use the old file."""
    path = tmp_path / "telemetry.sqlite"
    url = f"sqlite:///{path}"
    SQLDriver(configuration(url), url).upgrade()
    copy = path.read_bytes()
    api = application(url)
    api.post_json("/v2/meters/cpu", [sample()], status=201)
    for name in tmp_path.iterdir():
        name.unlink()
    path.write_bytes(copy)
    assert api.get("/v2/samples").json == []
    api.post_json("/v2/meters/cpu", [sample()], status=201)
    assert len(application(url).get("/v2/samples").json) == 1


def test_sqlite_used_by_other_processes(tmp_path: Path) -> None:
    """A connection that another process closes must not delete the log that this process uses."""
    url = f"sqlite:///{tmp_path / 'telemetry.sqlite'}"
    SQLDriver(configuration(url), url).upgrade()
    apis = [application(url), application(url)]
    other = (
        "import sqlite3, sys; connection = sqlite3.connect(sys.argv[1]);"
        "print(connection.execute('SELECT count(*) FROM sample').fetchone()[0]); connection.close()"
    )
    for turn in range(1, 4):
        for api in apis:
            api.post_json("/v2/meters/cpu", [sample()], status=201)
            # As every process does that starts, with this one's connections open.
            SQLDriver(configuration(url), url).check()
        command = [sys.executable, "-c", other, str(tmp_path / "telemetry.sqlite")]
        completed = subprocess.run(command, check=True, capture_output=True, text=True)
        assert int(completed.stdout) == turn * 2


def test_locked_sqlite(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'telemetry.sqlite'}"
    driver = SQLDriver(configuration(url), url)
    driver.upgrade()
    api = application(url, database__answer_timeout=5)
    with driver.database.engine().connect() as connection:
        driver.database._begin_immediately(connection)
        answer = api.post_json("/v2/meters/cpu", [sample()], status=503)
        assert answer.headers["Retry-After"] == "5"
        assert api.get("/v2/samples").json == []
        connection.connection.rollback()
    api.post_json("/v2/meters/cpu", [sample()], status=201)


def test_missing_schema(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'telemetry.sqlite'}"
    with pytest.raises(SchemaMismatchError, match="Run: telemetry-upgrade"):
        application(url)
    assert not (tmp_path / "telemetry.sqlite").exists()


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("9999", "newer than .* telemetry-upgrade --revision"),
        (None, "no telemetry schema. Run: telemetry-upgrade"),
    ],
)
def test_other_schema(clean: str, version: str | None, text: str) -> None:
    changed = _mongodb_version if clean.startswith("mongodb") else _sql_version
    with changed(clean, version), pytest.raises(SchemaMismatchError, match=text):
        application(clean)


@contextlib.contextmanager
def _sql_version(url: str, version: str | None) -> Iterator[None]:
    """Give a database another version of the schema, or none."""
    engine = SQLDriver(configuration(url), url).database.engine()
    name = schema.VERSION_TABLE
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"ALTER TABLE {name} RENAME TO kept" if version is None else f"UPDATE {name} SET version_num = '{version}'"
        )
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"ALTER TABLE kept RENAME TO {name}"
                if version is None
                else f"UPDATE {name} SET version_num = '{schema.HEAD}'"
            )
        engine.dispose()


@contextlib.contextmanager
def _mongodb_version(url: str, version: str | None) -> Iterator[None]:
    client: Any
    with pymongo.MongoClient(url) as client:
        versions = client.get_default_database().schema
        key = {"_id": mongodb_schema.VERSION_ID}
        if version is None:
            versions.delete_one(key)
        else:
            versions.update_one(key, {"$set": {"version": version}})
        try:
            yield
        finally:
            versions.update_one(key, {"$set": {"version": mongodb_schema.HEAD}}, upsert=True)


def test_older_schema(monkeypatch: pytest.MonkeyPatch, clean: str) -> None:
    monkeypatch.setattr(mongodb_schema if clean.startswith("mongodb") else schema, "HEAD", "9999")
    with pytest.raises(SchemaMismatchError, match=r"older than 9999, .*needs\. Run: telemetry-upgrade"):
        application(clean)


def test_writers_at_once_lose_nothing(make_api: Any) -> None:
    apis = [make_api() for _ in range(4)]
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(10):
                body = [
                    sample(resource_id=f"r{(number + n) % 7}", counter_volume=1, resource_metadata={"t": str(turn % 3)})
                    for n in range(5)
                ]
                apis[number].post_json("/v2/meters/cpu", body, status=201)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert apis[0].get("/v2/meters/cpu/statistics").json[0]["count"] == 200
    assert len(apis[0].get("/v2/resources").json) == 7
    assert len(apis[0].get("/v2/meters").json) == 7


def test_the_same_bulk_at_once_is_stored_once(make_api: Any) -> None:
    apis = [make_api() for _ in range(4)]
    body = b"".join(json.dumps(sample(message_id=f"m{n}", resource_id=f"r{n}")).encode() + b"\n" for n in range(500))
    answers: list[Any] = []

    def write(api: webtest.TestApp) -> None:
        answers.append(api.post("/v2/samples", body, content_type="application/x-ndjson", expect_errors=True))

    threads = [threading.Thread(target=write, args=(api,)) for api in apis]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_int for answer in answers] == [201] * 4
    assert apis[0].get("/v2/meters/cpu/statistics").json[0]["count"] == 500
