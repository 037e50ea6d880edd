"""Names with a slash: everything that can be stored can be asked for by its name."""

import json
from typing import Any

import webtest

from tests.functional.calls import ADMIN, fault, post, sample
from tests.functional.test_events import event


def bulk(api: webtest.TestApp, status: int = 201, **members: Any) -> webtest.TestResponse:
    body = json.dumps(sample(**members))
    return api.post("/v2/samples", body, content_type="application/x-ndjson", status=status)


def test_meters(api: webtest.TestApp) -> None:
    bulk(api, counter_name="disk/read")
    post(api, sample(counter_name="cpu"))
    (row,) = api.get("/v2/meters/disk%252Fread").json
    assert row["counter_name"] == "disk/read"
    (row,) = api.get("/v2/meters/disk%252Fread/statistics").json
    assert row["count"] == 1
    api.post_json("/v2/meters/disk%252Fread", [sample(counter_name="disk/read")], status=201)
    assert len(api.get("/v2/meters/disk%252Fread").json) == 2
    api.get("/v2/meters/disk%2Fread", status=405)


def test_resources_and_their_links(api: webtest.TestApp) -> None:
    bulk(api, counter_name="disk/read", resource_id="host/1")
    (row,) = api.get("/v2/resources").json
    links = {link["rel"]: link["href"] for link in row["links"]}
    assert api.get(links["self"]).json["resource_id"] == "host/1"
    assert api.get(links["disk/read"]).json[0]["resource_id"] == "host/1"


def test_samples(api: webtest.TestApp) -> None:
    bulk(api, message_id="a/b")
    assert api.get("/v2/samples/a%252Fb").json["id"] == "a/b"


def test_events_their_types_and_traits(api: webtest.TestApp) -> None:
    traits = [{"name": "t/1", "type": "string", "value": "x"}]
    api.post_json("/v2/events", [event(1, message_id="m/1", event_type="a/b", traits=traits)], status=201)
    assert api.get("/v2/events/m%252F1", headers=ADMIN).json["message_id"] == "m/1"
    assert api.get("/v2/event_types/a%252Fb/traits").json == [{"name": "t/1", "type": "string"}]
    assert api.get("/v2/event_types/a%252Fb/traits/t%252F1").json == traits


def test_percent_signs(api: webtest.TestApp) -> None:
    bulk(api, counter_name="100%", resource_id="50%")
    assert api.get("/v2/meters/100%25").json[0]["counter_name"] == "100%"
    assert api.get("/v2/resources/50%25").json["resource_id"] == "50%"


def test_a_meter_needs_a_name(api: webtest.TestApp) -> None:
    assert "counter_name" in fault(bulk(api, 400, counter_name=""))
