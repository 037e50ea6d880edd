"""One reading of time everywhere: an offset counts, and a time without an offset is UTC."""

import json

import pytest
import webtest

from tests.functional.calls import ADMIN, post, refused, sample
from tests.functional.test_alarms import create
from tests.functional.test_events import event

# The sample, the event and the filters mean the same moment: 2026-01-01T02:00:00 UTC.
SAME = ["2026-01-01T02:00:00", "2026-01-01T02:00:00Z", "2026-01-01T07:30:00+05:30", "2025-12-31T21:00:00-0500"]


@pytest.mark.parametrize("text", SAME)
def test_samples(api: webtest.TestApp, text: str) -> None:
    for posted in SAME:
        post(api, sample(timestamp=posted))
    assert {row["timestamp"] for row in api.get("/v2/samples").json} == {SAME[0]}
    for op, count in (("ge", 4), ("le", 4), ("gt", 0), ("lt", 0)):
        params = {"q.field": "timestamp", "q.op": op, "q.value": text}
        assert len(api.get("/v2/samples", params).json) == count
        assert len(api.get("/v2/meters/cpu", params).json) == count
        assert len(api.get("/v2/resources", params).json) == (1 if count else 0)
        assert [row["count"] for row in api.get("/v2/meters/cpu/statistics", params).json] == [count][:count]
    for op, count in ((">=", 4), ("<=", 4), ("=", 4), (">", 0), ("<", 0), ("!=", 0)):
        body = {"filter": json.dumps({op: {"timestamp": text}})}
        assert len(api.post_json("/v2/query/samples", body).json) == count
    params = {"q.field": "timestamp", "q.op": "ge", "q.value": text}
    (row,) = api.get("/v2/meters/cpu/statistics", {**params, "period": "60"}).json
    assert (row["period_start"], row["duration_start"]) == (SAME[0], SAME[0])


@pytest.mark.parametrize("text", SAME)
def test_events(api: webtest.TestApp, text: str) -> None:
    traits = [{"name": "t", "type": "datetime", "value": text}]
    api.post_json("/v2/events", [event(1, generated=text, traits=traits)], status=201)
    (row,) = api.get("/v2/events", headers=ADMIN).json
    assert row["generated"] == row["traits"][0]["value"] == SAME[0]
    for params, count in (
        ({"q.field": "start_timestamp", "q.value": text}, 1),
        ({"q.field": "end_timestamp", "q.value": text}, 1),
        ({"q.field": "t", "q.value": text, "q.type": "datetime"}, 1),
        ({"q.field": "t", "q.op": "gt", "q.value": text, "q.type": "datetime"}, 0),
    ):
        assert len(api.get("/v2/events", params, headers=ADMIN).json) == count


def test_alarms_and_their_history(api: webtest.TestApp) -> None:
    created = create(api)
    moment = created["timestamp"]
    hours = int(moment[11:13])
    shifted = f"{moment[:10]}T{(hours + 2) % 24:02}{moment[13:]}{'+02:00' if hours < 22 else '-22:00'}"
    url = f"/v2/alarms/{created['alarm_id']}/history"
    for op, count in (("ge", 1), ("lt", 0)):
        assert len(api.get(url, {"q.field": "timestamp", "q.op": op, "q.value": shifted}).json) == count
    for field in ("timestamp", "state_timestamp"):
        body = {"filter": json.dumps({"=": {field: shifted}})}
        assert len(api.post_json("/v2/query/alarms", body).json) == 1


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
def test_outside_the_calendar(api: webtest.TestApp, text: str) -> None:
    quoted = text.replace("+", "%2B")
    refused(api, f"/v2/samples?q.field=timestamp&q.op=gt&q.value={quoted}")
    api.post_json("/v2/query/samples", {"filter": json.dumps({">": {"timestamp": text}})}, status=400)
    api.get(f"/v2/events?q.field=start_timestamp&q.value={quoted}", headers=ADMIN, status=400)
