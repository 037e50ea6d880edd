"""The expirer: what it deletes, what it keeps, and the lists afterwards."""

import datetime as dt

import pytest
import webtest
from telemetry.storage.interface import Driver
from telemetry.storage.mongodb import expiry as mongodb_expiry
from telemetry.storage.sqlalchemy import expiry
from telemetry.storage.stores import load_driver

from tests.conftest import configuration
from tests.functional.calls import ADMIN, post, sample

EDGE = dt.datetime(2026, 1, 2)


def driver(url: str) -> Driver:
    return load_driver(configuration(url), url)


def fill(api: webtest.TestApp) -> None:
    post(
        api,
        sample(timestamp="2026-01-01T00:00:00", resource_metadata={"a": "old"}),
        sample(timestamp="2026-01-03T00:00:00"),
        sample(timestamp="2026-01-01T00:00:00", counter_name="gone"),
        sample(timestamp="2026-01-01T00:00:00", counter_name="gone", resource_id="gone"),
    )


def test_samples(clean: str, api: webtest.TestApp) -> None:
    fill(api)
    assert driver(clean).expire_samples(EDGE, False) == 3
    assert [(row["name"], row["resource_id"]) for row in api.get("/v2/meters").json] == [("cpu", "r1")]
    assert [row["name"] for row in api.get("/v2/meters?unique=true").json] == ["cpu"]
    (row,) = api.get("/v2/resources").json
    assert row["first_sample_timestamp"] == row["last_sample_timestamp"] == "2026-01-03T00:00:00"
    assert api.get("/v2/resources?q.field=metadata.a&q.value=old").json == []
    assert len(api.get("/v2/samples").json) == 1
    post(api, sample(counter_name="gone", resource_id="gone"))
    assert len(api.get("/v2/meters").json) == 2


def test_samples_only(clean: str, api: webtest.TestApp) -> None:
    fill(api)
    assert driver(clean).expire_samples(EDGE, True) == 3
    assert len(api.get("/v2/meters").json) == 3
    assert len(api.get("/v2/resources").json) == 2
    assert len(api.get("/v2/samples").json) == 1


def test_many_steps(clean: str, api: webtest.TestApp, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (expiry, mongodb_expiry):
        monkeypatch.setattr(module, "STEP", 2)
    fill(api)
    assert driver(clean).expire_samples(dt.datetime(2027, 1, 1), False) == 4
    for path in ("samples", "meters", "resources"):
        assert api.get(f"/v2/{path}").json == []


def test_events_and_history(clean: str, api: webtest.TestApp) -> None:
    api.post_json(
        "/v2/events",
        [
            {
                "message_id": str(day),
                "event_type": f"t{day}",
                "generated": f"2026-01-0{day}T00:00:00",
                "traits": [{"name": f"n{day}", "type": "string", "value": "v"}],
            }
            for day in (1, 3)
        ],
    )
    assert driver(clean).expire_events(EDGE) == 1
    assert [one["message_id"] for one in api.get("/v2/events", headers=ADMIN).json] == ["3"]
    assert api.get("/v2/event_types").json == ["t3"]
    body = {"name": "a", "type": "threshold", "threshold_rule": {"meter_name": "m", "threshold": 1}}
    url = f"/v2/alarms/{api.post_json('/v2/alarms', body).json['alarm_id']}/history"
    assert driver(clean).expire_alarm_history(EDGE) == 0
    assert driver(clean).expire_alarm_history(dt.datetime(2100, 1, 1)) == 1
    assert api.get(url).json == []
