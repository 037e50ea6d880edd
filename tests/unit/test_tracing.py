"""The trace of one request: what of its way it shows, for which requests, and what it leaves alone."""

from __future__ import annotations

import ctypes
import io
import logging
import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import bottle
import falcon
import flask
import flask.views
import pecan
import pecan.hooks
import pecan.rest
import pytest
import requests
import sqlalchemy
import webob
import webob.dec
from grove_runtime import door, tracing
from paste.deploy import loadapp
from pyramid.config import Configurator
from pyramid.response import Response as PyramidResponse

SAMPLE = Path(__file__).parents[2] / "wsgi" / "pecan_test_project"
NAME = "0123abcd"


def ask(application: Any, path: str = "/", log: io.StringIO | None = None, **more: Any) -> tuple[str, bytes, str]:
    """Send a request through a door with the header; return the status, the body, and what is in the log."""
    log = log or io.StringIO()
    environ = {
        **webob.Request.blank(path).environ,
        "wsgi.errors": log,
        "GROVE_DOOR": "blue",
        tracing.VARIABLE: NAME,
        **more,
    }
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda data: None

    body = door.stamp(application, "r1")(environ, start_response)
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return statuses[-1] if statuses else "", content, log.getvalue()


def parts(text: str) -> list[tuple[int, str, str]]:
    """Return depth, kind and text of the parts of a trace. Checks its first and its last line, and the times."""
    first, _, *lines, last = text.splitlines()
    assert re.fullmatch(rf"trace {NAME} begins: [A-Z]+ /\S*: .+ in \d+\.\d ms(, .*)?", first), first
    assert last == f"trace {NAME} ends"
    found = []
    for line in lines:
        match = re.fullmatch(r" *(-?\d+\.\d) *(\d+\.\d) *(-?\d+\.\d)  ( *)(\w+) (.*)", line)
        assert match, line
        begin, total, own = map(float, match.group(1, 2, 3))
        assert (begin >= 0, -0.1 <= own <= total + 0.1) == (True, True), line
        found.append((len(match[4]) // 2, match[5], match[6]))
    return found


def test_a_request_without_the_header_is_not_traced_and_a_client_cannot_ask_for_it() -> None:
    seen = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.append((environ.get(tracing.VARIABLE), sys.getprofile()))
        start_response("200 OK", [])
        return [b"hello"]

    before = sys.getprofile()
    stamped = door.stamp(application, "r1")
    for variables in ({tracing.VARIABLE: NAME}, {"GROVE_DOOR": "blue"}):
        log = io.StringIO()
        environ = {**webob.Request.blank("/").environ, "wsgi.errors": log, **variables}
        assert list(stamped(environ, lambda *words: lambda data: None)) == [b"hello"]
        assert log.getvalue() == ""
    # What a client has sent is a header like any other.
    assert seen == [(NAME, before), (None, before)]


@pytest.fixture
def sample() -> Iterator[Any]:
    yield loadapp(f"config:{SAMPLE}/api-paste.ini", name="main")
    logging.getLogger("pecan_test_project").handlers.clear()


def test_the_sample_with_its_filters_and_its_controller(sample: Any) -> None:
    status, _, text = ask(sample, "/v1/my_restcontroller/7")
    assert status == "200 OK"
    found = parts(text)
    assert [kind for _, kind, _ in found].count("controller") == 1
    assert found[0][1] == "filter"
    assert "paste.urlmap.URLMap.__call__ (paste/urlmap.py:" in found[0][2]
    [controller] = [text for _, kind, text in found if kind == "controller"]
    assert re.search(r"MyRestController\.get_one \(pecan_test_project/\S+\.py:\d+\)$", controller)
    depths = [depth for depth, _, _ in found]
    assert depths == sorted(depths), "each part is in the one before"


class Hook(pecan.hooks.PecanHook):  # type: ignore[misc]
    def before(self, state: Any) -> None:
        state.request.seen = True


class Root(pecan.rest.RestController):  # type: ignore[misc]
    @pecan.expose("json")  # type: ignore[untyped-decorator]
    def get_all(self) -> dict[str, Any]:
        with sqlalchemy.create_engine("sqlite://").begin() as connection:
            connection.execute(sqlalchemy.text("SELECT :secret"), {"secret": "s3cret"})
        return {}


def test_hooks_and_statements_without_their_parameters() -> None:
    _, _, text = ask(pecan.make_app(Root(), hooks=[Hook()]))
    found = parts(text)
    kinds = [kind for _, kind, _ in found]
    assert [text.split(" (")[0] for _, kind, text in found if kind == "hook"] == [f"{__name__}.Hook.before"]
    assert "SELECT ?" in [text for _, kind, text in found if kind == "sql"]
    assert "COMMIT" in [text for _, kind, text in found if kind == "sql"]
    assert kinds.index("hook") < kinds.index("controller") < kinds.index("sql")
    assert "s3cret" not in text
    count = kinds.count("sql")
    assert re.search(rf"200 OK in \S+ ms, {count} sql \S+ ms$", text.splitlines()[0])


def test_statements_of_a_driver_in_c_and_a_body_that_is_made_while_it_is_sent() -> None:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        connection = sqlite3.connect(":memory:")
        for number in range(3):
            yield str(connection.cursor().execute(f"SELECT {number}").fetchone()[0]).encode()

    _, body, text = ask(application)
    assert body == b"012"
    assert [(kind, text) for _, kind, text in parts(text) if kind == "sql"] == [("sql", "sqlite3.Cursor.execute")] * 3


def test_filters_of_webob_and_functions() -> None:
    @webob.dec.wsgify  # type: ignore[untyped-decorator]
    def inner(request: Any) -> str:
        return "hello"

    @webob.dec.wsgify.middleware  # type: ignore[untyped-decorator]
    def outer(request: Any, application: Any) -> Any:
        return request.get_response(application)

    def plain(environ: Any, start_response: Any) -> Any:
        return outer(inner)(environ, start_response)

    names = [(kind, text.split(" (")[0].rpartition(".")[2]) for _, kind, text in parts(ask(plain)[2])]
    assert names == [("filter", "plain"), ("filter", "outer"), ("application", "inner")]


class View(flask.views.MethodView):
    def get(self) -> str:
        return "hello"


class Resource:
    def on_get(self, request: Any, response: Any) -> None:
        response.text = "hello"


def pyramid_view(request: Any) -> Any:
    return PyramidResponse("hello")


def of_flask() -> Any:
    application = flask.Flask("shop")
    application.add_url_rule("/", view_func=View.as_view("shop"))
    return application


def of_falcon() -> Any:
    application = falcon.App()
    application.add_route("/", Resource())
    return application


def of_bottle() -> Any:
    application = bottle.Bottle()
    application.route("/", callback=lambda: "hello")
    return application


def of_pyramid() -> Any:
    with Configurator() as config:
        config.add_route("shop", "/")
        config.add_view(pyramid_view, route_name="shop")
        return config.make_wsgi_app()


@pytest.mark.parametrize(
    ("make", "function"),
    [
        (of_flask, "View.get"),
        (of_falcon, "Resource.on_get"),
        (of_bottle, "of_bottle.<locals>.<lambda>"),
        (of_pyramid, "pyramid_view"),
    ],
)
def test_controllers_of_frameworks(make: Callable[[], Any], function: str) -> None:
    status, _, text = ask(make())
    controllers = [text.split(" (")[0] for _, kind, text in parts(text) if kind == "controller"]
    assert status.startswith("200")
    assert controllers[-1] == f"{__name__}.{function}", text


def test_the_wait_for_another_server_without_its_query() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        url = f"http://user:s3cret@127.0.0.1:{server.server_port}/there?token=s3cret"

        def application(environ: Any, start_response: Any) -> list[bytes]:
            assert requests.get(url, timeout=30).status_code == 204
            start_response("200 OK", [])
            return []

        _, _, text = ask(application)
    assert ("http", f"GET http://127.0.0.1:{server.server_port}/there") in [
        (kind, text) for _, kind, text in parts(text)
    ]
    assert "s3cret" not in text


def test_requests_that_mod_wsgi_begins_meanwhile_do_not_stop_the_trace() -> None:
    """mod_wsgi 6 calls this function at the beginning of each request; the request of the test is one of them."""

    def begin_request() -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)

    def application(environ: Any, start_response: Any) -> list[bytes]:
        begin_request()
        start_response("200 OK", [])
        return [b"hello"]

    begin_request()
    assert ask(application)[:2] == ("200 OK", b"hello")


def test_an_application_that_raises_is_traced_and_its_exception_comes_through() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        raise LookupError("nothing there")

    log = io.StringIO()
    before = sys.getprofile()
    with pytest.raises(LookupError, match="nothing there"):
        ask(application, log=log)
    assert sys.getprofile() is before
    assert "LookupError in" in log.getvalue().splitlines()[0]
    assert [kind for _, kind, _ in parts(log.getvalue())] == ["application"]


def test_a_loop_of_statements_is_cut() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        cursor = sqlite3.connect(":memory:").cursor()
        for _ in range(tracing.MOST_SPANS + 20):
            cursor.execute("SELECT 1")
        start_response("200 OK", [])
        return []

    lines = ask(application)[2].splitlines()
    # The application itself is a part, too.
    assert (lines[-2], len(lines)) == ("21 more parts are left out", tracing.MOST_SPANS + 4)


@pytest.mark.parametrize("name", ["", "a b", "x\ny", "a" * 65, "ü"])
def test_a_name_that_would_forge_lines_makes_no_trace(name: str) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"hello"]

    assert ask(application, HTTP_X_GROVE_TRACE=name) == ("200 OK", b"hello", "")


def test_a_path_cannot_forge_lines() -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return []

    text = ask(application, PATH_INFO=f"/a\ntrace {NAME} ends")[2]
    assert text.splitlines()[0].startswith(rf"trace {NAME} begins: GET /a\ntrace {NAME} ends: 200 OK in")
    assert text.count("\n") == 4
