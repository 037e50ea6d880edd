"""The request that is traced, and its trace among the lines of a log."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file, traced
from grove_routes import parts
from record_settings import switching_part


def test_a_request_with_its_headers_and_its_body() -> None:
    request = traced.parse(' POST  /v2/x?a=1  {"a": 1} ', ["X-Version: 2", "Accept:text/plain"])
    assert request == traced.Request("POST", "/v2/x?a=1", b'{"a": 1}', {"X-Version": "2", "Accept": "text/plain"})
    assert (request.is_reading, traced.parse("GET /", []).is_reading) == (False, True)


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("GET /v2/meters?limit=1", []),
        ("  DELETE   /a%2Fb/c?x=%20&y=  ", ["X-Version: 2"]),
        ("GET //double?a=b?c", []),
        ("GET /a:b@c/;p?q=http://h/", ["A: b: c"]),
        ('POST /things {"name": "a b"}', ["A:b", "C :  d "]),
    ],
)
def test_the_reader_in_a_release_reads_the_same(text: str, headers: list[str]) -> None:
    traced_request, explained = traced.parse(text, headers), parts.parse_request(text, headers)
    path, _, query = traced_request.path.partition("?")
    assert (explained.method, explained.path, explained.query) == (traced_request.method, unquote(path), query)
    assert explained.body.encode() == (traced_request.body or b"")
    assert dict(explained.headers) == traced_request.headers


REFUSED: list[tuple[str, list[str], str]] = [
    ("", [], "request: found the method ''"),
    ("get /", [], "request: found the method 'get'"),
    ("ÄB /", [], "request: found the method 'ÄB'"),
    ("GET", [], "request: found the URL ''"),
    ("GET http://a/", [], "request: found the URL 'http://a/'"),
    ("GET ?a=b", [], "request: found the URL '?a=b'"),
    ("GET /ü", [], "request: found the URL '/ü'"),
    ("GET /a\r\nX: y", [], r"request: found the URL '/a\r\nX:'"),
    ("POST / {", [], "request: found the body '{', which is not JSON"),
    ("GET /", ["X-Auth-Token"], "header: found no colon"),
    ("GET /", [": x"], "header: found no colon"),
]


@pytest.mark.parametrize(("text", "headers", "message"), REFUSED)
def test_what_is_no_request_is_refused_with_what_would_be_right(text: str, headers: list[str], message: str) -> None:
    with pytest.raises(traced.TraceError) as error:
        traced.parse(text, headers)
    assert str(error.value).startswith(message)
    assert "; write " in str(error.value)
    with pytest.raises(ValueError, match="; write ") as of_release:
        parts.parse_request(text, headers)
    own = message.replace("request: ", "explain: ").partition(" no colon")[0]
    assert str(of_release.value).startswith(own)


def test_the_trace_of_a_request_at_which_the_application_raises(tmp_path: Path) -> None:
    """Apache answers it, so that no header names the release. The application's log has its trace all the same."""
    output = tmp_path / "output.log"

    class Raising(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.headers[traced.HEADER]
            if self.path == "/raises":
                moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                texts = [f"trace {name} begins: GET /raises: KeyError in 1 ms", f"trace {name} ends"]
                output.write_text("".join(f"{moment} blue/1 - {text}\n" for text in texts))
            self.send_error(404 if self.path == "/elsewhere" else 500)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Raising) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        record = switching_part(tmp_path, server.server_port)
        check = {"path": "/", "statuses": [200], "headers": {}, "host": "localhost"}
        app = app_file.app_of({**record, "health_check": check}, app_file.apache("no-apache", None))
        app.folder.release("one").mkdir(parents=True)
        (app.folder.release("one") / "commands.json").write_text(json.dumps({"logs": str(tmp_path)}))
        (app.folder.release("one") / "RELEASE.json").write_text('{"id": "one"}')
        app.folder.point("blue", "one")
        app.folder.flip("blue")
        history.append(app.folder, "switched", "one")
        answer = traced.send(app, "", traced.parse("GET /raises", []), 60)
        with pytest.raises(traced.TraceError, match="answered 404 by Apache and did not reach the application"):
            traced.send(app, "", traced.parse("GET /elsewhere", []), 60)
        server.shutdown()
    assert answer == {"slot": "blue", "status": 500, "release": "one", "lines": ["GET /raises: KeyError in 1 ms"]}


def test_a_trace_among_other_lines() -> None:
    lines = [
        "noise",
        "trace a begins: GET /: 200",
        "other",
        "trace b begins: GET /b: 404",
        "  1",
        "  2",
        "trace b ends",
    ]
    assert traced.find(lines, "b") == ["GET /b: 404", *lines[4:6]]
    assert traced.find(lines[:-1], "b") == []
    assert traced.find(lines, "c") == []


@pytest.mark.parametrize(
    ("health_path", "path", "mounted"), [("/", "/", ""), ("/api/", "/", "/api"), ("/a/b/healthz", "/healthz", "/a/b")]
)
def test_the_path_of_an_application(health_path: str, path: str, mounted: str) -> None:
    assert traced.path_of({"health_path": health_path, "health_check": {"path": path}}) == mounted
