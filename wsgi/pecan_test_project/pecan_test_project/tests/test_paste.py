"""The project as api-paste.ini mounts it."""

import io
import re
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from paste.deploy import loadapp
from webob import Request
from webtest import TestApp

from ..app import app_factory
from ..filters import BodyLimit, RequestId
from .conftest import PROJECT

LIMIT = 1048576


def test_versions(paste_app: TestApp) -> None:
    answer = paste_app.get("/", status=200)
    root = "http://localhost/v1/"
    version = {"id": "v1.0", "status": "CURRENT", "links": [{"rel": "self", "href": root}]}
    assert answer.json == {"versions": [version]}
    assert paste_app.get(root, status=200).form.action == "/v1/"


def test_versions_below_a_prefix(paste_app: TestApp) -> None:
    answer = paste_app.get("/", extra_environ={"SCRIPT_NAME": "/api"})
    assert answer.json["versions"][0]["links"][0]["href"] == "http://localhost/api/v1/"


def test_versions_answers_nothing_else(paste_app: TestApp) -> None:
    paste_app.get("/v2", status=404)
    assert paste_app.post("/", {}, status=405).headers["Allow"] == "GET, HEAD"
    assert paste_app.head("/", status=200).body == b""


def test_project_below_v1(paste_app: TestApp) -> None:
    assert paste_app.get("/v1", status=200).form.action == "/v1/"
    assert paste_app.get("/v1/catalog", status=200).text == "Welcome to the catalog."
    assert paste_app.post("/v1/basemethod/", {"hello": "world"}, status=200).json == {"hello": "world"}
    assert paste_app.get("/v1/public/robots.txt", status=200).content_type == "text/plain"
    assert paste_app.get("/v1/a/bogus/url", status=404).html.find("a")["href"] == "/v1/"


def test_project_alone() -> None:
    project = TestApp(loadapp(f"config:{PROJECT / 'api-paste.ini'}", "project"))
    answer = project.get("/catalog", status=200)
    assert "X-Request-Id" not in answer.headers


def test_missing_configuration_is_named() -> None:
    with pytest.raises(RuntimeError, match=r"/none/config\.py"):
        app_factory({}, config="/none/config.py")


@pytest.mark.parametrize("path", ["/v1/", "/v1/a/bogus/url", "/v1/boom"])
def test_every_answer_has_a_new_request_id(paste_app: TestApp, path: str) -> None:
    first, second = (paste_app.get(path, expect_errors=True).headers["X-Request-Id"] for _ in range(2))
    assert re.fullmatch(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first)
    assert first != second


def test_request_id_of_the_client_is_kept(paste_app: TestApp) -> None:
    assert paste_app.get("/v1/", headers={"X-Request-Id": "Ab_1.2-3"}).headers["X-Request-Id"] == "Ab_1.2-3"


@pytest.mark.parametrize("sent", ["", "a b", "-a", "x" * 129, "a,b", "é", "a\n"])
def test_bad_request_id_is_replaced(paste_app: TestApp, sent: str) -> None:
    environ = {"HTTP_X_REQUEST_ID": sent.encode().decode("latin-1")}
    assert paste_app.get("/v1/", extra_environ=environ).headers["X-Request-Id"].startswith("req-")


def test_request_id_replaces_that_of_the_application() -> None:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("x-request-id", "other"), ("Content-Length", "0")])
        return []

    answer = TestApp(RequestId.factory({})(application)).get("/", headers={"X-Request-Id": "mine"})
    assert answer.headers.getall("X-Request-Id") == ["mine"]


def test_body_as_long_as_the_limit(paste_app: TestApp) -> None:
    answer = paste_app.post("/v1/basemethod/", "a=" + "x" * (LIMIT - 2), status=200)
    assert len(answer.json["a"]) == LIMIT - 2


def test_body_that_is_announced_too_long_is_refused_unread(paste_app: TestApp) -> None:
    request = Request.blank("/v1/basemethod/", method="POST", content_type="application/x-www-form-urlencoded")
    request.body_file_raw = body = io.BytesIO(b"a=" + b"x" * LIMIT)
    request.content_length = LIMIT + 1
    answer = request.get_response(paste_app.app)
    assert answer.status_int == 413
    assert answer.headers["X-Request-Id"].startswith("req-")
    assert body.tell() == 0


@pytest.mark.parametrize(("length", "status"), [(LIMIT, 200), (LIMIT + 1, 413), (10 * LIMIT, 413)])
def test_body_of_unannounced_length(paste_app: TestApp, length: int, status: int) -> None:
    request = Request.blank("/v1/basemethod/", method="POST", content_type="application/x-www-form-urlencoded")
    request.body_file_raw = body = io.BytesIO(b"a=" + b"x" * (length - 2))
    request.environ.pop("CONTENT_LENGTH", None)
    request.environ["wsgi.input_terminated"] = True
    answer = request.get_response(paste_app.app)
    assert answer.status_int == status
    assert body.tell() <= LIMIT + 1


@pytest.mark.parametrize("length", ["-1", "ten", "1e3", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_content_length_that_is_no_number(paste_app: TestApp, length: str) -> None:
    request = Request.blank("/v1/")
    request.environ["CONTENT_LENGTH"] = length
    assert request.get_response(paste_app.app).status_int == 400


@pytest.mark.parametrize("way", ["read", "readline", "readlines", "iterate"])
@pytest.mark.parametrize(("limit", "status"), [(6, 200), (5, 413)])
def test_limit_holds_for_each_way_to_read(way: str, limit: int, status: int) -> None:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        source = environ["wsgi.input"]
        ways: dict[str, Callable[[], bytes]] = {
            "read": lambda: source.read(),
            "readline": lambda: b"".join(iter(source.readline, b"")),
            "readlines": lambda: b"".join(source.readlines()),
            "iterate": lambda: b"".join(source),
        }
        body = ways[way]()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    request = Request.blank("/", method="POST")
    request.body_file_raw = io.BytesIO(b"ab\ncd\n")
    request.environ.pop("CONTENT_LENGTH", None)
    answer = request.get_response(BodyLimit.factory({}, max_bytes=str(limit))(application))
    assert answer.status_int == status
    if status == 200:
        assert answer.body == b"ab\ncd\n"


@pytest.mark.parametrize("max_bytes", ["-1", "1k", "", "1.5"])
def test_limit_that_is_no_number(max_bytes: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        BodyLimit.factory({}, max_bytes=max_bytes)
