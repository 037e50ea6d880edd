"""NaN and infinite numbers: no way in accepts them, and no answer contains them."""

import datetime as dt
import json
import math
from typing import Any

import pymongo
import pytest
import sqlalchemy as sa
import webtest
from telemetry.messaging import messages
from telemetry.storage.records import Alarm, Event
from telemetry.storage.sqlalchemy import models
from telemetry.storage.sqlalchemy.driver import SQLDriver
from telemetry.storage.stores import Stores

from tests.conftest import configuration
from tests.functional.calls import ADMIN, fault, post, sample
from tests.functional.test_alarms import alarm, create
from tests.functional.test_events import event

NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999"]


def strict(response: webtest.TestResponse) -> Any:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} in {response.text}")

    return json.loads(response.text, parse_constant=refuse)


@pytest.mark.parametrize("number", NUMBERS)
def test_json(api: webtest.TestApp, number: str) -> None:
    threshold = json.dumps(alarm()).replace("80", number)
    gnocchi = {"metrics": ["m"], "threshold": 80, "aggregation_method": "mean"}
    kind = "gnocchi_aggregation_by_metrics_threshold"
    other = json.dumps({"name": "g", "type": kind, f"{kind}_rule": gnocchi}).replace("80", number)
    for path, body in (
        ("/v2/alarms", threshold),
        ("/v2/alarms", other),
        ("/v2/events", json.dumps([event(1, raw={"a": [{"b": 80}]})]).replace("80", number)),
        ("/v2/meters/cpu", json.dumps([sample(counter_volume=80)]).replace("80", number)),
        ("/v2/query/samples", '{"filter": "{\\"=\\": {\\"metadata.a\\": %s}}"}' % number),  # noqa: UP031
    ):
        assert "Traceback" not in fault(api.post(path, body, content_type="application/json", status=400)), path
    created = create(api)
    body = json.dumps(created).replace("80.0", number)
    text = fault(api.put(f"/v2/alarms/{created['alarm_id']}", body, content_type="application/json", status=400))
    assert text.startswith("Invalid input for field/attribute threshold. ")
    assert strict(api.get("/v2/alarms")) == [created]
    assert strict(api.get("/v2/events", headers=ADMIN)) == []
    assert strict(api.get("/v2/samples")) == []


@pytest.mark.parametrize("number", ["nan", "inf", "1e999"])
def test_xml(api: webtest.TestApp, number: str) -> None:
    for path, body in (
        (
            "/v2/alarms",
            f"<data><name>a</name><type>threshold</type><threshold_rule><meter_name>m</meter_name>"
            f"<threshold>{number}</threshold></threshold_rule></data>",
        ),
        (
            "/v2/meters/cpu",
            f"<samples><item><counter_name>cpu</counter_name><counter_type>gauge</counter_type><counter_unit>u"
            f"</counter_unit><counter_volume>{number}</counter_volume><resource_id>r</resource_id></item></samples>",
        ),
    ):
        api.post(path, body.encode(), content_type="text/xml", status=400)
    assert strict(api.get("/v2/alarms")) == []
    assert strict(api.get("/v2/samples")) == []


@pytest.mark.parametrize("number", NUMBERS)
def test_bulk(api: webtest.TestApp, number: str) -> None:
    line = json.dumps(sample(resource_metadata={"a": {"b": [80]}})).replace("80", number)
    text = fault(api.post("/v2/samples", line.encode(), content_type="application/x-ndjson", status=400))
    assert text.startswith("Line 1: ")
    assert api.get("/v2/samples").json == []


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_messages_of_agents(number: float) -> None:
    reader = messages.Reader()
    changes: list[dict[str, Any]] = [{"resource_metadata": {"a": [{"b": number}]}}, {"counter_volume": number}]
    for changed in changes:
        with pytest.raises(messages.MessageError):
            reader.sample({**sample(message_id="m"), **changed})
    generic = {"message_id": "m", "event_type": "e", "generated": "2026-01-01T00:00:00"}
    changes = [{"raw": {"a": [number]}}, {"traits": [["t", 3, number]]}]
    for changed in changes:
        with pytest.raises(messages.MessageError):
            messages.event({**generic, **changed})


def test_no_store_writes_one(clean: str, api: webtest.TestApp) -> None:
    stores = Stores(configuration(clean))
    created = create(api)
    bad = Event("m", "e", dt.datetime(2026, 1, 1), [], {"a": math.nan})
    with pytest.raises(ValueError, match="JSON"):
        stores.event.record_events([bad])
    record: Alarm = stores.alarm.query_alarms(None, [], 10)[0]
    record.rule["threshold"] = math.inf
    with pytest.raises(ValueError, match="JSON"):
        stores.alarm.update_alarm(record, None)
    stores.close()
    assert strict(api.get("/v2/alarms")) == [created]


def test_what_an_earlier_release_stored(clean: str, api: webtest.TestApp) -> None:
    created = create(api)
    post(api, sample(), sample(counter_volume=2))
    api.post_json("/v2/events", [event(1)], status=201)
    (_damage_mongodb if clean.startswith("mongodb") else _damage_sql)(clean)
    (row,) = strict(api.get("/v2/alarms"))
    assert (row["alarm_id"], row["threshold_rule"]["threshold"]) == (created["alarm_id"], None)
    assert strict(api.get("/v2/events", headers=ADMIN))[0]["raw"] == {"a": None, "b": 1}
    rows = strict(api.get("/v2/samples"))
    assert [one["metadata"] for one in rows] == [{"a.b": "None"}] * 2
    assert {one["volume"] for one in rows} <= {1.5, 2.0, None}
    assert strict(api.get("/v2/meters/cpu/statistics"))


RULE, RAW, METADATA = '{"meter_name": "m", "threshold": Infinity}', '{"a": NaN, "b": 1}', '{"a": {"b": NaN}}'


def _damage_mongodb(url: str) -> None:
    client: Any
    with pymongo.MongoClient(url) as client:
        db = client.get_default_database()
        db.alarm.update_many({}, {"$set": {"rule": RULE}})
        db.event.update_many({}, {"$set": {"raw": RAW}})
        db.state.update_many({}, {"$set": {"metadata": METADATA}})
        db.sample.update_many({"volume": 2}, {"$set": {"volume": math.inf}})


def _damage_sql(url: str) -> None:
    driver = SQLDriver(configuration(url), url)
    with driver.database.engine().begin() as connection:
        connection.execute(sa.update(models.alarm).values(rule=RULE))
        connection.execute(sa.update(models.event).values(raw=RAW))
        connection.execute(sa.update(models.resource_state).values(metadata=METADATA))
        if connection.dialect.name != "mysql":
            connection.execute(sa.update(models.sample).where(models.sample.c.volume == 2).values(volume=math.inf))
    driver.close()
