"""Events, event types, traits; and posting events."""

from typing import Any

import pytest
import webtest

from tests.functional.calls import ADMIN, MEMBER, fault


def event(number: int, **members: Any) -> dict[str, Any]:
    return {
        "message_id": f"m{number}",
        "event_type": "compute.start",
        "generated": f"2026-01-0{number}T00:00:00",
        "traits": [
            {"name": "text", "type": "string", "value": f"t{number}"},
            {"name": "number", "type": "integer", "value": str(number)},
            {"name": "float", "type": "float", "value": f"{number}.5"},
            {"name": "date", "type": "datetime", "value": f"2026-02-0{number}T00:00:00"},
        ],
        "raw": {"n": number},
        **members,
    }


@pytest.fixture
def filled(api: webtest.TestApp) -> webtest.TestApp:
    api.post_json("/v2/events", [event(2), event(1), event(3, event_type="compute.stop")], status=201)
    return api


def ids(api: webtest.TestApp, query: str = "", **headers: str) -> list[str]:
    return [one["message_id"] for one in api.get(f"/v2/events?{query}", headers=headers or ADMIN).json]


def test_oldest_first(filled: webtest.TestApp) -> None:
    assert ids(filled) == ["m1", "m2", "m3"]
    assert ids(filled, "limit=1") == ["m1"]
    one = filled.get("/v2/events/m1", headers=ADMIN).json
    assert one["raw"] == {"n": 1}
    assert one["traits"] == [
        {"name": "date", "type": "datetime", "value": "2026-02-01T00:00:00"},
        {"name": "float", "type": "float", "value": "1.5"},
        {"name": "number", "type": "integer", "value": "1"},
        {"name": "text", "type": "string", "value": "t1"},
    ]
    assert fault(filled.get("/v2/events/nobody", headers=ADMIN, status=404)) == "Event nobody Not Found"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("q.field=event_type&q.value=compute.stop", ["m3"]),
        ("q.field=message_id&q.value=m2", ["m2"]),
        ("q.field=start_timestamp&q.value=2026-01-02", ["m2", "m3"]),
        ("q.field=end_timestamp&q.value=2026-01-02T00:00:00", ["m1", "m2"]),
        ("q.field=start_timestamp&q.op=ge&q.value=2026-01-02", ["m2", "m3"]),
        ("q.field=start_timestamp&q.op=gt&q.value=2026-01-02", ["m3"]),
        ("q.field=end_timestamp&q.op=le&q.value=2026-01-02", ["m1", "m2"]),
        ("q.field=end_timestamp&q.op=lt&q.value=2026-01-02", ["m1"]),
        ("q.field=text&q.value=t2", ["m2"]),
        ("q.field=text&q.op=ne&q.value=t2&q.type=string", ["m1", "m3"]),
        ("q.field=number&q.op=ge&q.value=2&q.type=integer", ["m2", "m3"]),
        ("q.field=float&q.op=lt&q.value=2.5&q.type=float", ["m1"]),
        ("q.field=date&q.op=gt&q.value=2026-02-01&q.type=datetime", ["m2", "m3"]),
        ("q.field=number&q.op=gt&q.value=1&q.type=integer&q.field=text&q.op=eq&q.value=t3&q.type=string", ["m3"]),
        ("q.field=number&q.value=2", []),
        ("q.field=text&q.value=t2&q.field=number&q.value=2&q.type=integer", ["m2"]),
        ("q.field=event_type&q.value=compute.start&q.field=number&q.op=gt&q.value=1&q.type=integer", ["m2"]),
    ],
)
def test_filters(filled: webtest.TestApp, query: str, expected: list[str]) -> None:
    assert ids(filled, query) == expected


@pytest.mark.parametrize(
    ("query", "text"),
    [
        (
            "q.field=x&q.op=like&q.value=1",
            "operator like is not supported. the supported operators are: ('lt', 'le', 'eq', 'ne', 'ge', 'gt')",
        ),
        (
            "q.field=x&q.value=1&q.type=boolean",
            "The data type boolean is not supported. The supported data type list is: "
            "['integer', 'float', 'string', 'datetime']",
        ),
        (
            "q.field=event_type&q.op=ne&q.value=compute.stop",
            "Invalid input for field/attribute op. Value: 'ne'. unimplemented operator for event_type",
        ),
        (
            "q.field=message_id&q.op=gt&q.value=m",
            "Invalid input for field/attribute op. Value: 'gt'. unimplemented operator for message_id",
        ),
        (
            "q.field=start_timestamp&q.op=lt&q.value=2026-01-01",
            "Invalid input for field/attribute op. Value: 'lt'. unimplemented operator for start_timestamp",
        ),
        (
            "q.field=end_timestamp&q.op=ne&q.value=2026-01-01",
            "Invalid input for field/attribute op. Value: 'ne'. unimplemented operator for end_timestamp",
        ),
        ("q.field=x&q.value=x&q.type=integer", "Unable to convert the value x to the expected data type integer."),
    ],
)
def test_refused(api: webtest.TestApp, query: str, text: str) -> None:
    assert fault(api.get(f"/v2/events?{query}", headers=ADMIN, status=400)) == text


def test_types_and_traits(filled: webtest.TestApp) -> None:
    assert filled.get("/v2/event_types").json == ["compute.start", "compute.stop"]
    assert filled.get("/v2/event_types/").json == ["compute.start", "compute.stop"]
    text = fault(filled.get("/v2/event_types/compute.start", status=404))
    assert text == "The resource could not be found."
    assert filled.get("/v2/event_types/compute.stop/traits").json == [
        {"name": "text", "type": "string"},
        {"name": "number", "type": "integer"},
        {"name": "float", "type": "float"},
        {"name": "date", "type": "datetime"},
    ]
    assert filled.get("/v2/event_types/compute.start/traits/number").json == [
        {"name": "number", "type": "integer", "value": "1"},
        {"name": "number", "type": "integer", "value": "2"},
    ]
    assert filled.get("/v2/event_types/nobody/traits").json == []


def test_traits_by_type_then_name(api: webtest.TestApp) -> None:
    def of(number: int, kind: str, value: str) -> dict[str, Any]:
        names = ("a", "b") if number == 1 else ("b", "a")
        return event(number, traits=[{"name": name, "type": kind, "value": value} for name in names])

    api.post_json(
        "/v2/events", [of(3, "string", "z"), of(1, "float", "2"), of(2, "integer", "1"), of(4, "string", "y")]
    )
    assert [(one["type"], one["name"]) for one in api.get("/v2/event_types/compute.start/traits").json] == [
        (kind, name) for kind in ("string", "integer", "float") for name in "ab"
    ]
    values = [one["value"] for one in api.get("/v2/event_types/compute.start/traits/a").json]
    assert values == ["z", "y", "1", "2.0"]


def test_without_identity(make_api: Any) -> None:
    api = make_api(auth_strategy="keystone")
    assert "RBAC Authorization Failed" in api.get("/v2/events", status=403).text
    assert "RBAC Authorization Failed" in api.get("/v2/event_types", status=403).text
    assert make_api().get("/v2/events").json == []


def test_limited_callers_see_their_own(api: webtest.TestApp) -> None:
    own = [
        {"name": "project_id", "type": "string", "value": "p1"},
        {"name": "user_id", "type": "string", "value": "u1"},
    ]
    api.post_json("/v2/events", [event(1), event(2, traits=own), event(3, traits=[{**own[0], "value": "p2"}])])
    assert ids(api, **MEMBER) == ["m2"]
    api.get("/v2/events/m1", headers=MEMBER, status=404)
    assert ids(api) == ["m1"]
    assert ids(api, **{**ADMIN, "X-Project-Id": "p2"}) == ["m1", "m3"]
    text = api.get("/v2/event_types", headers=MEMBER, status=401).text
    assert "Not Authorized to access project p1" in text
    api.get("/v2/event_types/compute.start/traits", headers=MEMBER, status=401)


def test_posted_twice_is_stored_once(filled: webtest.TestApp) -> None:
    filled.post_json("/v2/events", [event(1), event(4), event(4)], status=201)
    assert ids(filled) == ["m1", "m2", "m3", "m4"]


def test_limited_callers_post_their_own(api: webtest.TestApp) -> None:
    (answer,) = api.post_json("/v2/events", [event(1)], headers=MEMBER).json
    assert {"name": "project_id", "type": "string", "value": "p1"} in answer["traits"]
    assert ids(api, **MEMBER) == ["m1"]
    other = event(2, traits=[{"name": "project_id", "type": "string", "value": "p2"}])
    text = fault(api.post_json("/v2/events", [other], headers=MEMBER, status=400))
    assert text.endswith("can not post events to other projects")


@pytest.mark.parametrize(
    "body",
    [
        [],
        [{}],
        [event(1, generated="x")],
        [event(1, message_id=None)],
        [event(1, raw="x")],
        [event(1, traits=[{"name": "n", "type": "blob", "value": "x"}])],
        [event(1, traits=[{"name": "n", "type": "integer", "value": "x"}])],
        [event(1, traits=[{"name": "n", "type": "integer", "value": "9" * 30}])],
        [event(1, traits=[{"name": "n", "type": "float", "value": "nan"}])],
        [event(1, traits=[{"name": "n", "type": "datetime", "value": "x"}])],
        [event(1, traits=[{"name": "n", "type": "string", "value": "x"}] * 2)],
        [event(1, event_type="x" * 256)],
    ],
)
def test_refused_events(api: webtest.TestApp, body: list[Any]) -> None:
    api.post_json("/v2/events", body, status=400)
    assert ids(api) == []
