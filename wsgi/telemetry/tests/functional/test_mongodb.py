"""What MongoDB alone does: old documents that the server deletes, and writes without transactions."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
import webtest
from telemetry.cmd import expirer
from telemetry.errors import TelemetryError
from telemetry.storage.mongodb import schema
from telemetry.storage.mongodb.driver import MongoDriver
from telemetry.storage.stores import load_driver

from tests.conftest import configuration
from tests.functional.calls import sample
from tests.functional.test_migration import application, fill, migrate, notify, waiting


@pytest.fixture
def db(clean: str) -> Iterator[Any]:
    """The database, with pymongo."""
    if not clean.startswith("mongodb"):
        pytest.skip("for MongoDB alone")
    client: Any
    with pymongo.MongoClient(clean) as client:
        yield client.get_default_database()


def retentions(db: Any) -> dict[str, int]:
    """Return the seconds of the indexes that delete old documents, by the names of their collections."""
    found = {name: db[name].index_information().get(schema.RETENTION_INDEX) for name in schema.TIMES_TO_LIVE}
    return {name: int(index["expireAfterSeconds"]) for name, index in found.items() if index}


def test_retention_follows_the_configuration(db: Any, clean: str) -> None:
    expirer.expire(configuration(clean))
    assert retentions(db) == {}
    times = {"database__metering_time_to_live": 3600, "database__event_time_to_live": 7200}
    expirer.expire(configuration(clean, **times))
    assert retentions(db) == {"sample": 3600, "event": 7200}
    changed = {"database__metering_time_to_live": 60, "database__alarm_history_time_to_live": 5}
    driver = load_driver(configuration(clean, **changed), clean)
    assert driver.upgrade() == schema.HEAD
    driver.close()
    assert retentions(db) == {"sample": 60, "alarm_history": 5}
    expirer.expire(configuration(clean))
    assert retentions(db) == {}


def test_what_expires_has_a_date(db: Any, api: webtest.TestApp) -> None:
    """The server deletes by a date in `at`, and by nothing else."""
    api.post_json("/v2/meters/cpu", [sample()], status=201)
    generated = "2026-01-01T00:00:00"
    api.post_json("/v2/events", [{"message_id": "m", "event_type": "e", "generated": generated}], status=201)
    rule = {"name": "a", "type": "threshold", "threshold_rule": {"meter_name": "m", "threshold": 1}}
    api.post_json("/v2/alarms", rule, status=201)
    for name in schema.TIMES_TO_LIVE:
        assert db[name].count_documents({"at": {"$type": "date"}}) == 1
    assert db.sample.find_one()["at"].isoformat() == generated


def test_a_request_sent_again_after_a_crash(db: Any, api: webtest.TestApp) -> None:
    """A crash may leave what lists read without the samples. Sending the request again completes it."""
    body = b"".join(json.dumps(sample(message_id=f"m{n}", resource_id=f"r{n % 3}")).encode() + b"\n" for n in range(9))

    def send() -> Any:
        return api.post("/v2/samples", body, content_type="application/x-ndjson", status=201).json

    assert send() == {"stored": 9, "duplicates": 0}
    whole = [api.get(path).json for path in ("/v2/meters", "/v2/resources")]
    db.sample.delete_many({"_id": {"$in": ["m1", "m8"]}})
    assert send() == {"stored": 2, "duplicates": 7}
    db.sample.delete_many({})
    assert send() == {"stored": 9, "duplicates": 0}
    assert [api.get(path).json for path in ("/v2/meters", "/v2/resources")] == whole
    assert api.get("/v2/meters/cpu/statistics").json[0]["count"] == 9


def test_indexes(db: Any) -> None:
    for name, indexes in schema.INDEXES.items():
        present = [list(map(tuple, index["key"])) for index in db[name].index_information().values()]
        assert all(keys in present for keys in indexes), name


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mongodb:/host/telemetry", "URI must begin with"),
        ("mongodb://host:99999/telemetry", "Port must be an integer between 0 and 65535"),
        ("mongodb://user:p@ss@host/telemetry", "Username and password must be escaped"),
        ("mongodb://host,/telemetry", "Empty host"),
        (
            "mongodb://host/telemetry?replicaset=a&timeouts=3",
            "The option timeouts in the connection to MongoDB is wrong",
        ),
        ("mongodb://host/telemetry?tls=maybe", "The option tls in the connection to MongoDB is wrong"),
        ("mongodb+srv://host:27017/telemetry", "a name with two dots, and no port"),
    ],
)
def test_a_wrong_url(url: str, text: str) -> None:
    with pytest.raises(TelemetryError, match=re.escape(text)) as refused:
        load_driver(configuration(url), url)
    assert "p@ss" not in str(refused.value)


def test_a_url_with_all_its_parts() -> None:
    url = "mongodb://user:p%40ss@[::1]:27018,host/telemetry?replicaSet=a&serverSelectionTimeoutMS=1500&authSource=admin"
    driver = load_driver(configuration(url, database__answer_timeout=30), url)
    assert isinstance(driver, MongoDriver)
    client = driver.database._db().client
    assert client.options.server_selection_timeout == 1.5
    assert client.options.pool_options.socket_timeout == 30
    driver.close()


def test_a_copy_completes_a_change_that_a_crash_interrupted(db: Any, clean: str, tmp_path: Path) -> None:
    fill(application(clean))
    notify(clean, "n0")
    document = db.alarm_notification.find_one({"_id": "n0"})
    db.alarm_notification.delete_one({"_id": "n0"})
    unfinished = {"id": "n0", "changes": [], "notifications": [document]}
    db.alarm.update_one({"_id": document["alarm_id"]}, {"$set": {"unfinished": unfinished}})
    other = f"sqlite:///{tmp_path / 'other.sqlite'}"
    assert migrate(tmp_path, clean, other) == 0
    assert [one.notification_id for one in waiting(other)] == ["n0"]
