"""The bulk format: newline-delimited JSON, gzip; a request is stored completely or not at all, and never twice."""

import gzip
import json
from typing import Any

import pytest
import webtest

from tests.functional.calls import MEMBER, fault, sample

TYPE = "application/x-ndjson"


def lines(*samples: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in samples)


def send(api: webtest.TestApp, body: bytes, status: int = 201, /, **headers: str) -> Any:
    return api.post("/v2/samples", body, content_type=TYPE, headers=headers, status=status)


def many(count: int) -> list[dict[str, Any]]:
    return [sample(message_id=f"id-{n}", resource_id=f"r{n % 10}") for n in range(count)]


def test_stored_once(api: webtest.TestApp) -> None:
    body = lines(*many(2500))
    assert send(api, body).json == {"stored": 2500, "duplicates": 0}
    assert send(api, body).json == {"stored": 0, "duplicates": 2500}
    assert send(api, lines(*many(2501), *many(3))).json == {"stored": 1, "duplicates": 2503}
    assert api.get("/v2/meters/cpu/statistics").json[0]["count"] == 2501


def test_gzip(api: webtest.TestApp) -> None:
    body = gzip.compress(lines(*many(10))) + gzip.compress(lines(*many(20)))
    answer = send(api, body, **{"Content-Encoding": "gzip"})
    assert answer.json == {"stored": 20, "duplicates": 10}


@pytest.mark.parametrize(
    "body",
    [
        b"no gzip",
        gzip.compress(lines(*many(100)))[:-4],
        gzip.compress(lines(*many(100)))[:50],
        b"",
        gzip.compress(lines(*many(2))) + b"rest",
    ],
)
def test_bad_gzip(api: webtest.TestApp, body: bytes) -> None:
    send(api, body, 400, **{"Content-Encoding": "gzip"})
    assert api.get("/v2/samples").json == []


def test_sizes(make_api: Any) -> None:
    api = make_api(api__max_bulk_size=10_000)
    send(api, gzip.compress(b" " * 1_000_000 + lines(*many(1))), 413, **{"Content-Encoding": "gzip"})
    send(api, lines(*many(100)), 413)
    send(api, lines(*many(2)))


def test_source_owner_and_signature(api: webtest.TestApp) -> None:
    one = sample(message_id="x", source="s")
    del one["project_id"], one["user_id"]
    send(api, lines(one), **MEMBER)
    (row,) = api.get("/v2/samples").json
    assert (row["project_id"], row["user_id"], row["source"]) == ("p1", "u1", "p1:s")
    query = {"filter": '{"=~": {"message_signature": "^[0-9a-f]{64}$"}}'}
    assert len(api.post_json("/v2/query/samples", query).json) == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"{", "Request is not in valid JSON format"),
        (b"[]", "Request must be a JSON dict"),
        (lines(sample(counter_type="bad")), "The counter type must be: gauge, delta, cumulative"),
        (lines(sample(counter_volume="x")), "could not convert string to float: 'x'"),
        (b'{"counter_volume": NaN}', "Request is not in valid JSON format"),
        (lines(sample(counter_volume=True, timestamp="zz")), "invalid timestamp format"),
        (lines(sample(bogus=1)), "Unknown attribute for argument samples: bogus"),
        (lines(sample(resource_id=5)), "Wrong type"),
        (lines(sample(resource_id="x" * 256)), "255"),
        (lines(sample(resource_metadata=[])), "Value not a valid dict"),
        (lines(sample(resource_metadata={"a": "x\0"})), "Text cannot be stored"),
        (lines(sample(project_id="p2")), "can not post samples to other projects"),
    ],
)
def test_bad_line_refuses_all(api: webtest.TestApp, line: bytes, text: str) -> None:
    answer = fault(send(api, lines(*many(3)) + line, 400, **MEMBER))
    assert answer.startswith("Line 4: ")
    assert text in answer
    assert api.get("/v2/samples").json == []


def test_empty_and_other_types(api: webtest.TestApp) -> None:
    assert fault(send(api, b"\n\n", 400)) == "Samples should be included in request body"
    api.post("/v2/samples", b"{}", content_type="application/json", status=415)
    send(api, b"x", 415, **{"Content-Encoding": "br"})
    api.post("/v2/samples?bogus=1", b"x", content_type=TYPE, status=400)
