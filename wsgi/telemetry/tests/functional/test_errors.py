"""Content negotiation and the shape of errors."""

import json
from xml.etree import ElementTree

import pytest
import webtest

from tests.functional.calls import fault, post, refused, sample


def test_xml_answer(api: webtest.TestApp) -> None:
    post(api, sample())
    answer = api.get("/v2/samples", headers={"Accept": "application/xml"})
    assert answer.headers["Content-Type"] == "application/xml; charset=UTF-8"
    assert ElementTree.fromstring(answer.body).findtext("item/meter") == "cpu"


def test_xml_body(api: webtest.TestApp) -> None:
    body = (
        b"<samples><item><counter_name>cpu</counter_name><counter_type>gauge</counter_type><counter_unit>u"
        b"</counter_unit><counter_volume>2</counter_volume><resource_id>r</resource_id></item></samples>"
    )
    for content_type in ("application/xml", "text/xml"):
        answer = api.post("/v2/meters/cpu", body, content_type=content_type, headers={"Accept": "application/json"})
        assert answer.json[0]["counter_volume"] == 2.0
    assert api.post("/v2/meters/cpu", b"<samples><item>", content_type="text/xml", status=400)


def test_xml_error(api: webtest.TestApp) -> None:
    answer = api.get("/v2/meters?limit=0", headers={"Accept": "application/xml"}, status=400)
    assert answer.content_type == "application/xml"
    tree = ElementTree.fromstring(answer.body)
    assert tree.tag == "error_message"
    assert tree.findtext("error/faultstring") == "Limit must be positive"
    answer = api.get("/v2/bogus", headers={"Accept": "application/xml"}, status=404)
    assert answer.body == b"<error_message>404</error_message>"


def test_text_xml_error_is_xml_in_json(api: webtest.TestApp) -> None:
    answer = api.get("/v2/meters?limit=0", headers={"Accept": "text/xml"}, status=400)
    assert "<faultstring>Limit must be positive</faultstring>" in answer.json["error_message"]


def test_not_acceptable(api: webtest.TestApp) -> None:
    assert "406 Not Acceptable" in api.get("/v2/meters", headers={"Accept": "text/plain"}, status=406).text


def test_unknown_mimetype(api: webtest.TestApp) -> None:
    answer = api.post("/v2/meters/cpu", b"x", content_type="text/plain", status=415)
    assert fault(answer) == "Unknown mimetype: text/plain"


@pytest.mark.parametrize(("path", "method", "allow"), [
    ("/v2/meters", "DELETE", {"GET"}),
    ("/v2/meters/cpu", "PUT", {"GET", "POST"}),
    ("/v2/meters/cpu/other", "GET", {"GET", "POST"}),
    ("/v2/query/samples", "GET", {"POST"}),
    ("/v2/capabilities", "POST", {"GET"}),
])
def test_method_not_allowed(api: webtest.TestApp, path: str, method: str, allow: set[str]) -> None:
    answer = api.request(path, method=method, status=405)
    assert {word.strip() for word in answer.headers["Allow"].split(",")} >= allow
    assert "405 Method Not Allowed" in answer.json["error_message"]


def test_limits(api: webtest.TestApp) -> None:
    assert refused(api, "/v2/meters?limit=0") == "Limit must be positive"
    assert refused(api, "/v2/meters?limit=-5") == "Limit must be positive"
    assert refused(api, "/v2/meters?limit=x") == (
        "Invalid input for field/attribute limit. Value: 'x'. unable to convert to int. "
        "Error: invalid literal for int() with base 10: 'x'"
    )
    assert refused(api, "/v2/meters?limit=1&limit=2").startswith(
        "Invalid input for field/attribute limit. Value: '['1', '2']'. unable to convert to int."
    )
    assert api.get(f"/v2/samples?limit={10**40}").json == []


def test_unknown_parameter(api: webtest.TestApp) -> None:
    assert refused(api, "/v2/meters?bogus=1") == 'Unknown argument: "bogus"'
    assert refused(api, "/v2/meters/cpu/statistics?limit=1") == 'Unknown argument: "limit"'
    assert refused(api, "/v2/alarms?limit=1") == 'Unknown argument: "limit"'


@pytest.mark.parametrize("query", ["%ff=1", "q.field=%ff&q.value=%ff", "limit=%00", "q.field=resource_id&q.value=%00"])
def test_unreadable_query(api: webtest.TestApp, query: str) -> None:
    api.get(f"/v2/samples?{query}", status=400)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100000, b'"\\ud800"', b"nul", b"[1]", b'["x"]', b'{"a":1}'])
def test_unreadable_body(api: webtest.TestApp, body: bytes) -> None:
    api.post("/v2/meters/cpu", body, content_type="application/json", status=400)
    api.post("/v2/query/samples", body, content_type="application/json", status=400)
    api.post("/v2/alarms", body, content_type="application/json", status=400)
    api.post("/v2/events", body, content_type="application/json", status=400)


def test_null_where_something_must_be(api: webtest.TestApp) -> None:
    for path, body in (
        ("/v2/query/samples", None), ("/v2/query/alarms", None), ("/v2/query/alarms/history", None),
        ("/v2/meters/cpu", None), ("/v2/meters/cpu", [None]), ("/v2/alarms", None), ("/v2/events", None),
        ("/v2/events", [None]),
    ):
        fault(api.post_json(path, body, status=400))
    for text in (b"null", b"{}", b"[]", b"1"):
        api.put("/v2/alarms/x/state", text, content_type="application/json", status=400)


def test_not_json(api: webtest.TestApp) -> None:
    answer = api.post("/v2/meters/cpu", b"{", content_type="application/json", status=400)
    assert fault(answer) == "Request is not in valid JSON format"


def test_text_that_cannot_be_stored(api: webtest.TestApp) -> None:
    for value in ("a\0b", "\ud800"):
        body = json.dumps([sample(resource_id=value)])
        api.post("/v2/meters/cpu", body, content_type="application/json", status=400)
    assert api.get("/v2/samples").json == []
