"""Resources."""

from typing import Any

import pytest
import webtest

from tests.functional.calls import MEMBER, fault, post, sample


@pytest.fixture
def filled(api: webtest.TestApp) -> webtest.TestApp:
    post(
        api,
        sample(timestamp="2026-01-01T00:00:00", resource_metadata={"state": "old"}),
        sample(timestamp="2026-01-03T00:00:00", project_id="p2", resource_metadata={"state": "new"}),
        sample(timestamp="2026-01-02T00:00:00", counter_name="mem"),
        sample(resource_id="r/2", user_id="u2", timestamp="2026-01-05T00:00:00"),
    )
    return api


def by_id(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["resource_id"]: row for row in rows}


def test_latest_sample_describes_the_resource(filled: webtest.TestApp) -> None:
    rows = by_id(filled.get("/v2/resources").json)
    assert set(rows) == {"r1", "r/2"}
    assert rows["r1"]["project_id"] == "p2"
    assert rows["r1"]["metadata"] == {"state": "new"}
    assert rows["r1"]["first_sample_timestamp"] == "2026-01-01T00:00:00"
    assert rows["r1"]["last_sample_timestamp"] == "2026-01-03T00:00:00"
    assert rows["r1"]["links"] == [
        {"href": "http://localhost/v2/resources/r1", "rel": "self"},
        {"href": "http://localhost/v2/meters/cpu?q.field=resource_id&q.value=r1", "rel": "cpu"},
        {"href": "http://localhost/v2/meters/mem?q.field=resource_id&q.value=r1", "rel": "mem"},
    ]


def test_without_meter_links(filled: webtest.TestApp) -> None:
    for row in filled.get("/v2/resources?meter_links=0").json:
        assert [link["rel"] for link in row["links"]] == ["self"]


def test_filters_describe_what_is_within(filled: webtest.TestApp) -> None:
    (row,) = filled.get("/v2/resources?q.field=project_id&q.value=p2").json
    assert (row["resource_id"], row["first_sample_timestamp"]) == ("r1", "2026-01-03T00:00:00")
    rows = by_id(filled.get("/v2/resources?q.field=project_id&q.value=p1").json)
    assert rows["r1"]["last_sample_timestamp"] == "2026-01-02T00:00:00"
    assert rows["r1"]["project_id"] == "p1"
    (row,) = filled.get("/v2/resources?q.field=metadata.state&q.value=old").json
    assert row["metadata"] == {"state": "old"}


def test_times(filled: webtest.TestApp) -> None:
    rows = filled.get(
        "/v2/resources?q.field=timestamp&q.op=ge&q.value=2026-01-02&q.field=timestamp&q.op=lt&q.value=2026-01-03"
    ).json
    (row,) = rows
    assert row["first_sample_timestamp"] == row["last_sample_timestamp"] == "2026-01-02T00:00:00"
    assert row["project_id"] == "p1"
    query = "q.field=timestamp&q.op=gt&q.value=2026-01-01&q.field=project_id&q.op=eq&q.value=p1"
    assert set(by_id(filled.get(f"/v2/resources?{query}").json)) == {"r1", "r/2"}


def test_one(filled: webtest.TestApp) -> None:
    assert filled.get("/v2/resources/r1").json["resource_id"] == "r1"
    assert filled.get("/v2/resources/r%252F2").json["resource_id"] == "r/2"
    filled.get("/v2/resources/r%2F2", status=404)
    assert fault(filled.get("/v2/resources/nobody", status=404)) == "Resource nobody Not Found"


def test_limited_caller(api: webtest.TestApp) -> None:
    post(api, sample(), sample(resource_id="r2", project_id="p2"))
    assert set(by_id(api.get("/v2/resources", headers=MEMBER).json)) == {"r1"}
    assert fault(api.get("/v2/resources/r2", headers=MEMBER, status=404)) == "Resource r2 Not Found"


def test_capabilities(api: webtest.TestApp) -> None:
    answer = api.get("/v2/capabilities").json
    false = {name for name, value in answer["api"].items() if not value}
    assert false == {"meters:query:complex", "resources:query:complex", "statistics:query:complex"}
    assert answer["api"]["statistics:aggregation:selectable:stddev"] is True
    for purpose in ("storage", "alarm_storage", "event_storage"):
        assert answer[purpose] == {"storage:production_ready": True}
