"""telemetry-migrate-storage, from and to each database: what clients see is the same, also after a kill -9."""

import contextlib
import datetime as dt
import json
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import webtest
from telemetry import timestamps
from telemetry.api.app import VersionSelector, make_v2
from telemetry.cmd import migrate_storage
from telemetry.errors import SchemaMismatchError, TelemetryError
from telemetry.storage import copying
from telemetry.storage.filters import AlarmFilter, PageRequest
from telemetry.storage.progress import Progress, file_name
from telemetry.storage.records import Notification
from telemetry.storage.stores import Stores

from tests.conftest import configuration
from tests.functional.calls import ADMIN, sample

RULE = {"name": "a", "type": "threshold", "threshold_rule": {"meter_name": "cpu", "threshold": 1}}
URLS = (
    "/v2/meters",
    "/v2/meters?unique=true",
    "/v2/resources",
    "/v2/resources?q.field=metadata.host&q.value=h1",
    "/v2/samples",
    "/v2/meters/cpu",
    "/v2/meters/cpu/statistics?period=3600&groupby=resource_id",
    "/v2/alarms",
    "/v2/events",
    "/v2/event_types",
    "/v2/event_types/e1/traits",
    "/v2/event_types/e1/traits/size",
)
# Kills itself with SIGKILL at the call of a method of the target whose number is given: before it, or after it.
KILLED = """
import os, signal, sys
from telemetry.cmd import migrate_storage
from telemetry.storage.{package}.driver import {driver} as Driver
method, number, place = sys.argv.pop(1), int(sys.argv.pop(1)), sys.argv.pop(1)
original, calls = getattr(Driver, method), 0
def counted(self, *arguments):
    global calls
    calls += 1
    if calls == number and place == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    original(self, *arguments)
    if calls == number:
        os.kill(os.getpid(), signal.SIGKILL)
setattr(Driver, method, counted)
sys.exit(migrate_storage.main())
"""


def application(url: str) -> webtest.TestApp:
    conf = configuration(url)
    return webtest.TestApp(VersionSelector(make_v2(conf, Stores(conf))))


def fill(api: webtest.TestApp) -> None:
    """Store 60 samples of 6 resources in changing states, alarms with a history, one of them deleted, and events."""
    for turn in range(10):
        body = [
            sample(
                counter_name="mem" if number == 5 else "cpu",
                resource_id=f"r{number}",
                counter_volume=turn * number / 8,
                # Some have the same time, and some an earlier one than a sample before.
                timestamp=f"2026-01-01T{(turn * 5) % 7:02}:00:00.{number:06}",
                resource_metadata={"host": f"h{turn % 2}", "a.b$c": {"n": turn, "x": None}},
                project_id=None if number == 4 else "p1",
                message_id=f"{turn}-{number}",
            )
            for number in range(6)
        ]
        lines = b"".join(json.dumps(one).encode() + b"\n" for one in body)
        api.post("/v2/samples", lines, content_type="application/x-ndjson", status=201)
    ids = [api.post_json("/v2/alarms", RULE | {"name": f"a{n}"}, status=201).json["alarm_id"] for n in range(4)]
    api.put_json(f"/v2/alarms/{ids[1]}/state", "alarm")
    api.delete(f"/v2/alarms/{ids[2]}", status=204)
    events = [
        {
            "message_id": f"e-{n}",
            "event_type": f"e{n % 2}",
            "generated": f"2026-01-01T00:00:0{n % 5}",
            "traits": [
                {"name": "size", "type": "integer", "value": str(n)},
                {"name": "seen", "type": "datetime", "value": "2026-01-01T00:00:00.000001"},
            ],
            "raw": {"a.b": [n, {"c": None}]},
        }
        for n in range(12)
    ]
    api.post_json("/v2/events", events, status=201)


def notify(url: str, *ids: str) -> None:
    """Let notifications of the first alarm wait, as an evaluator does."""
    stores = Stores(configuration(url))
    alarm = next(one for one in stores.alarm.alarms(AlarmFilter()) if one.name == "a0")
    now = timestamps.utcnow()
    messages = [
        Notification(key, alarm.alarm_id, "http://r/a.b$c", "http://r", {"reason": f"é{number}"}, now, now)
        for number, key in enumerate(ids)
    ]
    assert stores.evaluation.change_alarm_state(alarm, alarm.state, now, None, messages)
    stores.close()


def waiting(url: str) -> list[Notification]:
    return Stores(configuration(url)).evaluation.stored_notifications(PageRequest(None)).items


def seen(url: str) -> dict[str, Any]:
    """Return the answers for all lists. Meters of one batch have no order of their own."""
    api = application(url)
    answers = {one: api.get(one, headers=ADMIN).json for one in URLS}
    for one in URLS[:2]:
        answers[one].sort(key=lambda meter: (meter["name"], meter["resource_id"] or ""))
    for alarm in answers["/v2/alarms"]:
        answers[alarm["alarm_id"]] = api.get(f"/v2/alarms/{alarm['alarm_id']}/history").json
    answers["history"] = api.post_json("/v2/query/alarms/history", {"limit": 1000}, headers=ADMIN).json
    return answers


def command(tmp_path: Path, source: str, target: str, *killed: str) -> subprocess.CompletedProcess[str]:
    """Run the command in batches of 7. `killed` says at which call it kills itself: method, number, before or after."""
    file = tmp_path / "telemetry.conf"
    file.write_text(f"[DEFAULT]\nstate_path = {tmp_path}\n[database]\nconnection = {source}\n")
    package, driver = ("mongodb", "MongoDriver") if target.startswith("mongodb") else ("sqlalchemy", "SQLDriver")
    code = KILLED.format(package=package, driver=driver)
    start = ["-c", code, *killed] if killed else ["-m", "telemetry.cmd.migrate_storage"]
    options = ["--config-file", str(file), "--target", target, "--batch", "7"]
    return subprocess.run([sys.executable, *start, *options], capture_output=True, text=True, timeout=250, check=False)


def migrate(tmp_path: Path, source: str, target: str) -> int:
    """Do what the command does in this process. Return the exit status."""
    conf = configuration(source, state_path=str(tmp_path))
    conf.register_opts(migrate_storage.OPTIONS)
    conf.set_override("target", target)
    conf.set_override("batch", 7)
    return migrate_storage.migrate(conf)


def counts(url: str) -> dict[str, int]:
    return copying.counts(Stores(configuration(url)))


@pytest.fixture
def other(tmp_path: Path) -> str:
    """The URL of an SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'other.sqlite'}"


def test_from_each_database(clean: str, other: str, tmp_path: Path) -> None:
    fill(application(clean))
    notify(clean, *(f"n{number}" for number in range(10)))
    copied = command(tmp_path, clean, other)
    assert copied.returncode == 0, copied.stderr
    rows = {line[:16].strip(): line[16:].split() for line in copied.stdout.splitlines()[-8:]}
    assert rows == {
        "samples": ["60", "60"],
        "meters": ["2", "2"],
        "resources": ["6", "6"],
        "alarms": ["3", "3"],
        "alarm changes": ["6", "6"],
        "events": ["12", "12"],
        "traits": ["24", "24"],
        "notifications": ["10", "10"],
    }
    assert seen(other) == seen(clean)
    assert len(waiting(clean)) == 10
    assert waiting(other) == waiting(clean)


@pytest.mark.parametrize(
    "killed",
    [("record_samples", "4", "after"), ("record_events", "2", "before"), ("record_notifications", "2", "before")],
    ids=" ".join,
)
def test_to_each_database_with_a_kill(clean: str, other: str, tmp_path: Path, killed: tuple[str, ...]) -> None:
    Stores(configuration(other)).driver("metering").upgrade()
    fill(application(other))
    notify(other, *(f"n{number}" for number in range(10)))
    broken = command(tmp_path, other, clean, *killed)
    assert broken.returncode == -signal.SIGKILL, broken.stderr
    there = counts(clean)
    assert there["alarms"] == 3
    assert (there, waiting(clean)) != (counts(other), waiting(other))
    for _ in range(2):
        assert migrate(tmp_path, other, clean) == 0
    assert seen(clean) == seen(other)
    assert waiting(clean) == waiting(other)


def test_a_second_copy_brings_what_came_since(clean: str, other: str, tmp_path: Path) -> None:
    api = application(clean)
    fill(api)
    assert migrate(tmp_path, clean, other) == 0
    first = api.get("/v2/alarms").json
    api.delete(f"/v2/alarms/{first[0]['alarm_id']}", status=204)
    api.put_json(f"/v2/alarms/{first[1]['alarm_id']}", first[1] | {"description": "changed"})
    api.post_json("/v2/alarms", RULE | {"name": "new"}, status=201)
    api.post_json("/v2/meters/cpu?direct=true", [sample(timestamp="2025-01-01T00:00:00")], status=201)
    event = {"message_id": "late", "event_type": "e0", "generated": "2025-01-01T00:00:00"}
    api.post_json("/v2/events", [event], status=201)
    assert migrate(tmp_path, clean, other) == 0
    assert seen(other) == seen(clean)
    assert counts(clean)["samples"] == 61


def test_notifications_of_the_source_and_of_the_target(clean: str, other: str, tmp_path: Path) -> None:
    """Those that the source has sent or begun since are the same in the target. It keeps its own."""
    fill(application(clean))
    notify(clean, "n0", "n1", "n2")
    assert migrate(tmp_path, clean, other) == 0
    store = Stores(configuration(clean)).evaluation
    sent, begun, _ = waiting(clean)
    store.delete_notification(sent)
    assert store.claim_notification(begun, timestamps.utcnow() + dt.timedelta(minutes=5))
    notify(clean, "n3")
    assert migrate(tmp_path, clean, other) == 0
    assert [one.notification_id for one in waiting(other)] == ["n1", "n2", "n3"]
    assert waiting(other) == waiting(clean)
    assert waiting(other)[0].attempts == 1
    notify(other, "own")
    with pytest.raises(TelemetryError, match="The target has more"):
        migrate(tmp_path, clean, other)
    assert [one.notification_id for one in waiting(other)] == ["n1", "n2", "n3", "own"]


def without_notifications(path: Path) -> str:
    """Make an empty database as versions without an evaluator made it. Return its URL."""
    url = f"sqlite:///{path}"
    Stores(configuration(url)).driver("metering").upgrade()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE alarm_notification")
    return url


def test_schemas_of_an_earlier_version(clean: str, tmp_path: Path) -> None:
    """Such a source has no notifications. Such a target cannot take them."""
    earlier = without_notifications(tmp_path / "earlier.sqlite")
    fill(application(earlier))
    assert migrate(tmp_path, earlier, clean) == 0
    assert seen(clean) == seen(earlier)
    target = without_notifications(tmp_path / "target.sqlite")
    with pytest.raises(SchemaMismatchError, match="lacks the table alarm_notification"):
        migrate(tmp_path, clean, target)


def test_what_the_target_lost_comes_again(clean: str, other: str, tmp_path: Path) -> None:
    """The counts tell that the progress is not that of the target, such as after a backup was restored."""
    fill(application(clean))
    assert migrate(tmp_path, clean, other) == 0
    whole = counts(other)
    assert Stores(configuration(other)).metering.expire_samples(dt.datetime(2026, 1, 1, 3), False) > 0
    assert counts(other) != whole
    assert migrate(tmp_path, clean, other) == 0
    answers = []
    for url in (clean, other):
        api = application(url)
        listed = sorted(api.get("/v2/samples").json, key=lambda one: str(one["id"]))
        answers.append((listed, api.get("/v2/resources").json))
    assert answers[0] == answers[1]


def test_a_target_that_is_not_empty(clean: str, other: str, tmp_path: Path) -> None:
    fill(application(clean))
    Stores(configuration(other)).driver("metering").upgrade()
    application(other).post_json("/v2/meters/cpu?direct=true", [sample()], status=201)
    before = seen(other)
    with pytest.raises(TelemetryError, match="The target is not empty: it has 1 samples, 1 meters, 1 resources"):
        migrate(tmp_path, clean, other)
    assert seen(other) == before


def test_alarms_that_clients_changed_in_the_target(clean: str, other: str, tmp_path: Path) -> None:
    fill(application(clean))
    assert migrate(tmp_path, clean, other) == 0
    api = application(other)
    alarm = api.get("/v2/alarms").json[0]
    api.put_json(f"/v2/alarms/{alarm['alarm_id']}", alarm | {"description": "of the target"})
    before = api.get("/v2/alarms").json
    with pytest.raises(TelemetryError, match=f"Alarm {alarm['alarm_id']} was changed in the target"):
        migrate(tmp_path, clean, other)
    assert api.get("/v2/alarms").json == before


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "Name the database to copy from or to"),
        ({"target": "sqlite:////a"}, "The source and the target of metering are the same: sqlite:////a"),
        ({"target": "hbase://host/"}, "No storage driver exists for a connection that begins with 'hbase'"),
        ({"target": "log://"}, "Counting samples is not implemented"),
    ],
)
def test_what_cannot_be_copied(tmp_path: Path, options: dict[str, str], text: str) -> None:
    source = "sqlite:////a"
    if "same" not in text:
        source = f"sqlite:///{tmp_path / 'source.sqlite'}"
        Stores(configuration(source)).driver("metering").upgrade()
    conf = configuration(source, state_path=str(tmp_path))
    conf.register_opts(migrate_storage.OPTIONS)
    for name, value in options.items():
        conf.set_override(name, value)
    with pytest.raises(TelemetryError, match=text):
        migrate_storage.migrate(conf)


def test_only_one_process_copies(tmp_path: Path) -> None:
    pair = {"metering": "sqlite:///a"}, {"metering": "mongodb://user:secret@db/telemetry"}
    path = tmp_path / file_name(*pair)
    with Progress(path, *pair).held():
        with pytest.raises(TelemetryError, match="Another process is copying"), Progress(path, *pair).held():
            pass
        progress = Progress(path, *pair)
        progress.markers["samples"] = "m"
        progress.save()
    assert "secret" not in path.read_text()
    again = Progress(path, {"metering": "sqlite:///a"}, {"metering": "mongodb://user:changed@db/telemetry"})
    with again.held():
        assert again.markers == {"samples": "m"}
    with (
        pytest.raises(TelemetryError, match="between other databases"),
        Progress(path, pair[0], {"metering": "mongodb://other/telemetry"}).held(),
    ):
        pass
