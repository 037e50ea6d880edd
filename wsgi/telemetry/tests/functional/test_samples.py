"""Samples."""

import json

import webtest

from tests.functional.calls import MEMBER, fault, post, sample


def test_listing_and_one(api: webtest.TestApp) -> None:
    (answer,) = post(api, sample(resource_metadata={"a.b.c": "1", "d": "2"}))
    (row,) = api.get("/v2/samples").json
    assert row["id"] == answer["message_id"]
    assert {name: row[name] for name in row if name not in ("id", "recorded_at")} == {
        "meter": "cpu",
        "type": "gauge",
        "unit": "percent",
        "volume": 1.5,
        "user_id": "u1",
        "project_id": "p1",
        "resource_id": "r1",
        "source": "p1:openstack",
        "timestamp": "2026-01-01T00:00:00",
        "metadata": {"a.b:c": "1", "d": "2"},
    }
    assert api.get(f"/v2/samples/{row['id']}").json == row


def test_unknown(api: webtest.TestApp) -> None:
    assert fault(api.get("/v2/samples/nobody", status=404)) == "Sample nobody Not Found"


def test_newest_first(api: webtest.TestApp) -> None:
    for hour in (3, 1, 2):
        post(api, sample(counter_volume=hour, timestamp=f"2026-01-01T0{hour}:00:00"))
    assert [row["volume"] for row in api.get("/v2/samples").json] == [3, 2, 1]


def test_default_limit(make_api: webtest.TestApp) -> None:
    api = make_api(api__default_api_return_limit=2)
    api.post_json("/v2/meters/cpu", [sample(resource_id=f"r{n}") for n in range(3)])
    assert len(api.get("/v2/samples").json) == 2
    assert len(api.get("/v2/samples?limit=3").json) == 3


def test_microseconds(api: webtest.TestApp) -> None:
    post(api, sample(timestamp="2026-11-22T02:49:36.104172"))
    assert api.get("/v2/samples").json[0]["timestamp"] == "2026-11-22T02:49:36.104172"


def test_limited_caller_sees_its_project(api: webtest.TestApp) -> None:
    (other,) = post(api, sample(project_id="p2"))
    (own,) = post(api, sample())
    assert [row["id"] for row in api.get("/v2/samples", headers=MEMBER).json] == [own["message_id"]]
    assert api.get(f"/v2/samples/{own['message_id']}", headers=MEMBER)
    api.get(f"/v2/samples/{other['message_id']}", headers=MEMBER, status=404)


def test_owners_of_many_and_of_few_samples(api: webtest.TestApp) -> None:
    """The newest samples are searched first, and all samples if the newest hold too few matches."""
    bodies = [
        sample(
            message_id=f"m{n:04}",
            project_id="rare" if n % 250 == 0 else f"p{n % 2}",
            timestamp=f"2026-01-01T00:{n // 120:02}:{n // 2 % 60:02}",
        )
        for n in range(1000)
    ]
    text = b"".join(json.dumps(one).encode() + b"\n" for one in bodies)
    api.post("/v2/samples", text, content_type="application/x-ndjson", status=201)
    for project in ("rare", "p0", "p1"):
        expected = [one["message_id"] for one in bodies[::-1] if one["project_id"] == project]
        for limit in (1, 3, 4, 600):
            path = f"/v2/samples?limit={limit}&q.field=project_id&q.value={project}"
            assert [row["id"] for row in api.get(path).json] == expected[:limit]
        listed: list[str] = []
        link: str | None = f"/v2/samples?limit=150&q.field=project_id&q.value={project}"
        while link:
            answer = api.get(link)
            listed += [row["id"] for row in answer.json]
            link = answer.headers["Link"][1:].split(">")[0] if "Link" in answer.headers else None
        assert listed == expected


def test_separators_in_metadata_keys(api: webtest.TestApp) -> None:
    nested = {"dict_properties": {"key.$1": {"$key": "val"}}, "a.b": {"c": 1}, "tags": ["x.y"]}
    line = json.dumps(sample(message_id="m", resource_metadata=nested)).encode()
    api.post("/v2/samples", line, content_type="application/x-ndjson", status=201)
    shown = {"dict_properties.key:$1:$key": "val", "a.b:c": "1", "tags": "['x.y']"}
    assert api.get("/v2/samples").json[0]["metadata"] == shown
    assert api.get("/v2/meters/cpu").json[0]["resource_metadata"] == shown
    assert api.get("/v2/resources").json[0]["metadata"] == shown
    for key, value in (("dict_properties.key.$1.$key", "val"), ("a.b.c", "1")):
        assert len(api.get("/v2/samples", {"q.field": f"metadata.{key}", "q.value": value}).json) == 1
