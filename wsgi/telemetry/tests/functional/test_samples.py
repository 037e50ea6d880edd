"""Section 5.3: samples."""

import webtest

from tests.functional.calls import MEMBER, fault, post, sample


def test_listing_and_one(api: webtest.TestApp) -> None:
    (answer,) = post(api, sample(resource_metadata={"a.b.c": "1", "d": "2"}))
    (row,) = api.get("/v2/samples").json
    assert row["id"] == answer["message_id"]
    assert {name: row[name] for name in row if name not in ("id", "recorded_at")} == {
        "meter": "cpu", "type": "gauge", "unit": "percent", "volume": 1.5, "user_id": "u1", "project_id": "p1",
        "resource_id": "r1", "source": "p1:openstack", "timestamp": "2026-01-01T00:00:00",
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
