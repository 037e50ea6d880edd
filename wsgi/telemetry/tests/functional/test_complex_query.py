"""Complex queries."""

import json
from typing import Any

import pytest
import webtest

from tests.functional.calls import ADMIN, MEMBER, fault, post, sample

URL = "/v2/query/samples"


@pytest.fixture
def filled(api: webtest.TestApp) -> webtest.TestApp:
    for day in (1, 2, 3):
        post(
            api,
            sample(
                resource_id=f"r{day}",
                counter_volume=day,
                project_id=f"p{day}",
                timestamp=f"2026-01-0{day}T00:00:00",
                resource_metadata={"even": "yes"} if day == 2 else {"odd": "yes"},
            ),
        )
    return api


def ask(api: webtest.TestApp, expression: Any = None, order: Any = None, **more: Any) -> list[str]:
    body = dict(more)
    if expression is not None:
        body["filter"] = json.dumps(expression)
    if order is not None:
        body["orderby"] = json.dumps(order)
    return [row["resource_id"] for row in api.post_json(URL, body).json]


@pytest.mark.parametrize(
    ("expression", "ids"),
    [
        ({"=": {"resource_id": "r1"}}, ["r1"]),
        ({"!=": {"resource": "r1"}}, ["r3", "r2"]),
        ({">": {"volume": 1}}, ["r3", "r2"]),
        ({"=>": {"counter_volume": "2"}}, ["r3", "r2"]),
        ({"<=": {"Volume": 2.0}}, ["r2", "r1"]),
        ({"=<": {"timestamp": "2026-01-01T00:00:00+09:00"}}, []),
        ({"=<": {"timestamp": "2026-01-01T09:00:00+09:00"}}, ["r1"]),
        ({"IN": {"resource_id": ["r1", "r3", "r9"]}}, ["r3", "r1"]),
        ({"in": {"volume": [1, 2]}}, ["r2", "r1"]),
        ({"And": [{">": {"volume": 1}}, {"<": {"volume": 3}}]}, ["r2"]),
        ({"or": [{"=": {"metadata.even": "yes"}}, {"=": {"volume": 1}}]}, ["r2", "r1"]),
        ({"not": {"=": {"resource_id": "r1"}}}, ["r3", "r2"]),
        ({"not": {"=": {"metadata.even": "no"}}}, ["r2"]),
        ({"not": {"not": {"=": {"resource_id": "r1"}}}}, ["r1"]),
        ({"not": {"or": [{"=": {"metadata.even": "no"}}, {">": {"volume": 2}}]}}, ["r2"]),
        ({"not": {"and": [{"=": {"metadata.even": "no"}}, {">": {"volume": 2}}]}}, ["r2", "r1"]),
        ({"not": {"in": {"resource_id": ["r1"]}}}, ["r3", "r2"]),
        ({"not": {"=~": {"resource_id": "r[12]"}}}, ["r3"]),
        ({"not": {"=~": {"metadata.odd": "^y"}}}, []),
        ({"not": {"<": {"volume": 2}}}, ["r3", "r2"]),
        ({"!=": {"metadata.odd": "no"}}, ["r3", "r1"]),
        ({"=~": {"timestamp": "^1"}}, ["r3", "r2", "r1"]),
        ({"=~": {"resource_id": "r[12]"}}, ["r2", "r1"]),
        ({"=~": {"metadata.odd": "^y"}}, ["r3", "r1"]),
        ({"=": {"resource_metadata.odd": "yes"}}, ["r3", "r1"]),
        ({"=": {"resource_id": 5}}, []),
        ({"=": {"metadata.odd": True}}, []),
        ({">": {"metadata.odd": 1}}, []),
        ({"=": {"meter": "cpu"}}, ["r3", "r2", "r1"]),
    ],
)
def test_filter(filled: webtest.TestApp, expression: Any, ids: list[str]) -> None:
    assert ask(filled, expression) == ids


def test_everything(filled: webtest.TestApp) -> None:
    assert ask(filled) == ["r3", "r2", "r1"]
    assert ask(filled, limit=2) == ["r3", "r2"]
    assert ask(filled, limit="1") == ["r3"]


def test_order(filled: webtest.TestApp) -> None:
    assert ask(filled, order=[{"Timestamp": "ASC"}]) == ["r1", "r2", "r3"]
    assert ask(filled, order=[{"meter": "asc"}, {"volume": "desc"}]) == ["r3", "r2", "r1"]


@pytest.mark.parametrize(
    ("body", "begin"),
    [
        ({"filter": "{"}, "Filter expression not valid: "),
        ({"filter": "[]"}, "Filter expression not valid: "),
        ({"filter": '{"=": {"bogus": 1}}'}, "Filter expression not valid: "),
        ({"filter": '{"~": {"meter": 1}}'}, "Filter expression not valid: "),
        ({"filter": '{"and": [{"=": {"meter": "x"}}]}'}, "Filter expression not valid: "),
        ({"filter": '{"in": {"meter": []}}'}, "Filter expression not valid: "),
        ({"filter": '{"=": {"meter": "x"}, "<": {"meter": "y"}}'}, "Filter expression not valid: "),
        ({"filter": '{"=": {"meter": ["x"]}}'}, "Filter expression not valid: "),
        ({"filter": '{"=": {"volume": "x"}}'}, "Filter expression not valid: "),
        ({"filter": '{"=": {"volume": NaN}}'}, "Filter expression not valid: "),
        ({"filter": '{"=": {"volume": 1e999}}'}, "Filter expression not valid: "),
        ({"filter": '{"=": {"metadata.x": 1e999}}'}, "Filter expression not valid: "),
        ({"filter": '{"not":' * 2000 + '{"=": {"volume": 1}}' + "}" * 2000}, "Filter expression not valid: "),
        ({"filter": '{"=": {"timestamp": "zz"}}'}, "Failed to parse the timestamp value zz"),
        ({"filter": '{"=~": {"resource_id": "("}}'}, "Filter expression not valid: "),
        ({"filter": '{"=": {"resource_id": "a\\u0000b"}}'}, "Filter expression not valid: "),
        ({"orderby": '{"volume": "asc"}'}, "Order-by expression not valid: "),
        ({"orderby": '[{"volume": "up"}]'}, "Order-by expression not valid: "),
        ({"orderby": '[{"bogus": "asc"}]'}, "Order-by expression not valid: "),
        ({"orderby": '[{"metadata.x": "asc"}]'}, "Order-by expression not valid: "),
        ({"limit": 0}, "Limit must be positive"),
        ({"limit": -1}, "Limit must be positive"),
        ({"bogus": 1}, "Unknown attribute for argument body: bogus"),
    ],
)
def test_refused(filled: webtest.TestApp, body: dict[str, Any], begin: str) -> None:
    assert fault(filled.post_json(URL, body, status=400)).startswith(begin)


def test_no_body(api: webtest.TestApp) -> None:
    answer = api.post(URL, b"", content_type="application/json", status=400)
    assert fault(answer) == 'Missing argument: "body"'


def test_in_on_metadata(api: webtest.TestApp) -> None:
    answer = api.post_json(URL, {"filter": '{"in": {"metadata.x": ["y"]}}'}, status=501)
    assert fault(answer) == "Metadata query with in operator is not implemented"


def test_limited_caller(filled: webtest.TestApp) -> None:
    assert [row["resource_id"] for row in filled.post_json(URL, {}, headers=MEMBER).json] == ["r1"]
    body = {"filter": '{"or": [{"=": {"meter": "cpu"}}, {"=": {"volume": 2}}]}'}
    assert [row["resource_id"] for row in filled.post_json(URL, body, headers=MEMBER).json] == ["r1"]
    assert filled.post_json(URL, {"filter": '{"=": {"project": "p1"}}'}, headers=MEMBER).json
    for name in ("project", "project_id"):
        body = {"filter": json.dumps({"not": {"=": {name: "p2"}}})}
        text = fault(filled.post_json(URL, body, headers=MEMBER, status=401))
        assert text == "Not Authorized to access project p2"
    body = {"filter": '{"in": {"project_id": ["p2"]}}'}
    text = fault(filled.post_json(URL, body, headers=MEMBER, status=401))
    assert text == "Not Authorized to access project ['p2']"
    assert len(filled.post_json(URL, {}, headers=ADMIN).json) == 3
