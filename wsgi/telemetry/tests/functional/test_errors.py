"""Content negotiation and the shape of errors."""

import json
import logging
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


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/v2/meters", "DELETE", {"GET"}),
        ("/v2/meters/cpu", "PUT", {"GET", "POST"}),
        ("/v2/meters/cpu/other", "GET", {"GET", "POST"}),
        ("/v2/query/samples", "GET", {"POST"}),
        ("/v2/capabilities", "POST", {"GET"}),
    ],
)
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
        ("/v2/query/samples", None),
        ("/v2/query/alarms", None),
        ("/v2/query/alarms/history", None),
        ("/v2/meters/cpu", None),
        ("/v2/meters/cpu", [None]),
        ("/v2/alarms", None),
        ("/v2/events", None),
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


ACCEPTED = [
    ("", "application/json"),
    ("*/*", "application/json"),
    ("application/*", "application/json"),
    ("application/json", "application/json"),
    ("Application/JSON; charset=utf-8", "application/json"),
    ("application/json, application/xml", "application/json"),
    ("application/xml, application/json", "application/json"),
    ("application/xml;q=0.8, application/json", "application/json"),
    ("application/xml;q=0.8, */*", "application/json"),
    ("no media type", "application/json"),
    ("application/xml, ///;;", "application/json"),
    ("application/xml", "application/xml"),
    ("APPLICATION/XML", "application/xml"),
    ("application/xml,*/*", "application/xml"),
    ("*/*, application/xml", "application/xml"),
    ("application/json;q=0.8, application/xml", "application/xml"),
    ("application/json;q=0, application/*", "application/xml"),
    ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", "application/xml"),
]


@pytest.mark.parametrize(("accept", "expected"), ACCEPTED)
def test_one_media_type_for_answers_and_errors(api: webtest.TestApp, accept: str, expected: str) -> None:
    headers = {"Accept": accept}
    post(api, sample())
    for path, status in (
        ("/v2/samples", 200),
        ("/v2/capabilities", 200),
        ("/v2/samples?limit=0", 400),
        ("/v2/samples/x", 404),
        ("/v2/bogus", 404),
        ("/v1", 404),
    ):
        assert api.get(path, status=status, headers=headers).content_type == expected, path
    assert api.post("/v2/samples", b"{", status=415, headers=headers).content_type == expected
    only_json = api.get("/v2/openapi.json", status="*", headers=headers)
    if accept.lower() == "application/xml" or "q=0," in accept:
        assert (only_json.status_int, only_json.content_type) == (406, expected)
    else:
        assert (only_json.status_int, only_json.content_type) == (200, "application/json")


@pytest.mark.parametrize(
    "content_type", ["Application/JSON", "application/json ; charset=UTF-8", "APPLICATION/json;x=y"]
)
def test_case_of_a_media_type(api: webtest.TestApp, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    api.post("/v2/meters/cpu", json.dumps([sample()]), headers=headers, status=201)
    api.post("/v2/query/samples", "{}", headers=headers)
    bulk = json.dumps(sample(message_id="m"))
    api.post("/v2/samples", bulk, headers={"Content-Type": content_type.replace("/", "/x-nd").lower()}, status=201)
    api.post("/v2/samples", bulk, headers={"Content-Type": "Application/X-NDJSON"}, status=201)
    body = "<body><filter>{}</filter></body>".replace("{}", "")
    api.post("/v2/query/samples", body, headers={"Content-Type": "Text/XML"})
    assert len(api.get("/v2/samples").json) == 2


@pytest.mark.parametrize(
    "path", ["/", "/v2/samples", "/v2/meters/cpu", "/v2/openapi.json", "/v2/capabilities", "/v2/resources/r1"]
)
def test_head(api: webtest.TestApp, path: str) -> None:
    post(api, sample())
    get = api.get(path)
    head = api.head(path)
    assert (head.status, head.body) == (get.status, b"")
    assert head.headers["Content-Length"] == str(len(get.body))
    assert head.content_type == get.content_type


def test_head_of_an_error(api: webtest.TestApp) -> None:
    for path, status in (("/v2/bogus", 404), ("/v2/samples?limit=0", 400), ("/v2/query/samples", 405)):
        head = api.head(path, status=status)
        assert head.body == b""
    assert "HEAD" in api.delete("/v2/meters", status=405).headers["Allow"]
    assert "HEAD" not in api.get("/v2/query/samples", status=405).headers["Allow"]


@pytest.mark.parametrize(
    "url", ["/v2/samples?%ff=1", "/v2/samples?q.field=%ff&q.value=%ff", "/v2/%ff", "/v2/meters/%c3("]
)
def test_a_url_that_is_not_utf8_is_no_news(api: webtest.TestApp, caplog: pytest.LogCaptureFixture, url: str) -> None:
    with caplog.at_level(logging.INFO):
        assert "The request is not UTF-8" in api.get(url, status=400).json["error_message"]
    (record,) = caplog.records
    assert (record.levelname, record.exc_info) == ("INFO", None)
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "application/json"])
def test_a_body_that_is_not_utf8_is_no_news(
    api: webtest.TestApp, caplog: pytest.LogCaptureFixture, content_type: str
) -> None:
    for body in (b"%ff=1", b"\xff=1", b"a=%c3("):
        with caplog.at_level(logging.INFO):
            api.post("/v2/meters/cpu", body, content_type=content_type, status=400)
    assert [record for record in caplog.records if record.exc_info] == []
