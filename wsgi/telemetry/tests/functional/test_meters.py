"""Meters, and posting samples."""

import base64
from typing import Any

import pytest
import webtest

from tests.functional.calls import ADMIN, MEMBER, fault, post, sample


def test_one_row_per_meter_and_resource(api: webtest.TestApp) -> None:
    post(api, sample(), sample(resource_id="r2"), sample(counter_name="mem", counter_unit="MB"), sample())
    rows = api.get("/v2/meters").json
    assert sorted((row["name"], row["resource_id"]) for row in rows) == [("cpu", "r1"), ("cpu", "r2"), ("mem", "r1")]
    assert rows[0] == {
        "name": "cpu",
        "type": "gauge",
        "unit": "percent",
        "resource_id": "r1",
        "project_id": "p1",
        "user_id": "u1",
        "source": "p1:openstack",
        "meter_id": "cjErY3B1",
    }


def test_owner_comes_from_the_latest_inserted_sample(api: webtest.TestApp) -> None:
    post(api, sample(project_id="p1"), sample(project_id="p2", timestamp="2020-01-01T00:00:00"))
    (row,) = api.get("/v2/meters").json
    assert row["project_id"] == "p2"
    assert api.get("/v2/meters?q.field=project_id&q.value=p1").json == []
    assert len(api.get("/v2/meters?q.field=project&q.value=p2").json) == 1


@pytest.mark.parametrize("query", ["unique=True", "unique=1", "q.field=unique&q.value=yes"])
def test_unique(api: webtest.TestApp, query: str) -> None:
    post(api, sample(), sample(resource_id="r2"))
    (row,) = api.get(f"/v2/meters?{query}").json
    assert [row[name] for name in ("resource_id", "project_id", "user_id", "source")] == [None] * 4
    assert base64.b64decode(row["meter_id"]) == b"None+cpu"
    assert api.get(f"/v2/meters?{query}&q.field=resource_id&q.value=nobody").json == []


def test_filters(api: webtest.TestApp) -> None:
    post(api, sample(), sample(resource_id="r2", user_id="u2", source="s2", resource_metadata={"flavor": "m1"}))
    for query in ("user_id&q.value=u2", "resource&q.value=r2", "source&q.value=p1:s2", "metadata.flavor&q.value=m1"):
        (row,) = api.get(f"/v2/meters?q.field={query}").json
        assert row["resource_id"] == "r2"


def test_samples_of_a_meter(api: webtest.TestApp) -> None:
    post(api, sample(counter_volume=1), sample(counter_volume=2, timestamp="2026-01-02T00:00:00"))
    rows = api.get("/v2/meters/cpu").json
    assert [row["counter_volume"] for row in rows] == [2.0, 1.0]
    assert rows[0]["timestamp"] == "2026-01-02T00:00:00"
    assert rows[0]["recorded_at"]
    assert len(api.get("/v2/meters/cpu?limit=1").json) == 1
    assert api.get("/v2/meters/unknown").json == []


def test_posted_sample_is_completed(api: webtest.TestApp) -> None:
    posted = sample(
        counter_volume="1.5", source="s", resource_metadata={"a.b": "1"}, timestamp="2026-01-01T02:00:00+02:00"
    )
    del posted["project_id"], posted["user_id"]
    (answer,) = api.post_json("/v2/meters/cpu/", [posted], headers=ADMIN, status=201).json
    assert answer["counter_volume"] == 1.5
    assert answer["project_id"] == "admin-project"
    assert answer["user_id"] == "admin-user"
    assert answer["source"] == "admin-project:s"
    assert answer["timestamp"] == "2026-01-01T02:00:00+02:00"
    assert answer["resource_metadata"] == {"a.b": "1"}
    (stored,) = api.get("/v2/samples").json
    assert stored["id"] == answer["message_id"]
    assert stored["timestamp"] == "2026-01-01T00:00:00"
    assert stored["metadata"] == {"a.b": "1"}


def test_sample_without_time_or_source(api: webtest.TestApp) -> None:
    posted = sample()
    del posted["timestamp"], posted["project_id"]
    (answer,) = api.post_json("/v2/meters/cpu", [posted]).json
    assert answer["source"] == "None:openstack"
    assert answer["timestamp"] >= "2026"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "Samples should be included in request body"),
        ([sample(counter_name="zzz")], "Invalid input for field/attribute counter_name. Value: 'zzz'. should be cpu"),
        (
            [sample(message_id="x")],
            "Invalid input for field/attribute message_id. Value: 'x'. The message_id must not be set",
        ),
        (
            [sample(counter_type="bad")],
            "Invalid input for field/attribute counter_type. Value: 'bad'. "
            "The counter type must be: gauge, delta, cumulative",
        ),
        ([sample(bogus=1)], "Unknown attribute for argument samples: bogus"),
        (
            [{k: v for k, v in sample().items() if k != "counter_unit"}],
            "Invalid input for field/attribute counter_unit. Value: 'None'. Mandatory field missing.",
        ),
        (
            [sample(resource_id=None)],
            "Invalid input for field/attribute resource_id. Value: 'None'. Mandatory field missing.",
        ),
    ],
)
def test_refused_samples(api: webtest.TestApp, body: list[Any], text: str) -> None:
    assert fault(api.post_json("/v2/meters/cpu", body, status=400)) == text
    assert api.get("/v2/samples").json == []


@pytest.mark.parametrize(
    ("body", "begin", "end"),
    [
        (sample(), "Invalid input for field/attribute samples. Value: '{", "}"),
        (
            [sample(counter_volume="x")],
            "Invalid input for field/attribute samples. Value: '[",
            "could not convert string to float: 'x'",
        ),
        (
            [sample(timestamp="zz")],
            "Invalid input for field/attribute samples. Value: '[",
            "'zz' is not a legal datetime value",
        ),
        ([sample(resource_metadata={"a": {"b": "c"}})], "Invalid input for field/attribute resource_metadata. ", ""),
        ([sample(resource_metadata="x")], "Invalid input for field/attribute samples. ", "Value not a valid dict: x"),
        ([sample(counter_volume=1e200)], "Invalid input for field/attribute counter_volume. Value: '1e+200'.", ""),
        ([sample(resource_id="x" * 256)], "Invalid input for field/attribute resource_id. ", ""),
        ([sample(timestamp="0001-01-01T00:00:00+10:00")], "Invalid input for field/attribute timestamp. ", ""),
    ],
)
def test_refused_values(api: webtest.TestApp, body: Any, begin: str, end: str) -> None:
    text = fault(api.post_json("/v2/meters/cpu", body, status=400))
    assert text.startswith(begin)
    assert text.endswith(end)


def test_empty_body(api: webtest.TestApp) -> None:
    answer = api.post("/v2/meters/cpu", b"", content_type="application/json", status=400)
    assert fault(answer) == "Samples should be included in request body"


def test_one_bad_sample_refuses_all(api: webtest.TestApp) -> None:
    api.post_json("/v2/meters/cpu", [sample(), sample(counter_type="bad")], status=400)
    assert api.get("/v2/samples").json == []


def test_limited_caller_posts_for_its_own_project(api: webtest.TestApp) -> None:
    text = fault(api.post_json("/v2/meters/cpu", [sample(project_id="p2")], headers=MEMBER, status=400))
    assert text == ("Invalid input for field/attribute project_id. Value: 'p2'. can not post samples to other projects")
    api.post_json("/v2/meters/cpu", [sample()], headers=MEMBER, status=201)


def test_names_are_exact(api: webtest.TestApp) -> None:
    post(api, sample(resource_id="R1"), sample(resource_id="r1"), sample(resource_id="r1 "), sample(resource_id="rö1"))
    assert {row["resource_id"] for row in api.get("/v2/meters").json} == {"R1", "r1", "r1 ", "rö1"}
    (row,) = api.get("/v2/samples?q.field=resource_id&q.value=R1").json
    assert row["resource_id"] == "R1"


def test_meter_with_an_extension(api: webtest.TestApp) -> None:
    post(api, sample(counter_name="meter.jpg"))
    assert api.get("/v2/meters/meter.jpg").json[0]["counter_name"] == "meter.jpg"
