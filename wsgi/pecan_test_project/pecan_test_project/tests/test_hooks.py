"""The log lines of the hooks."""

import pytest
from webtest import TestApp

from .conftest import PROJECT


def test_phases_of_a_request(app: TestApp, log: list[str]) -> None:
    app.get("/catalog?q=1")
    assert log == [
        "on_route GET /catalog",
        "before GET /catalog controller=CatalogController.index",
        "after GET /catalog status=200",
    ]


def test_redirect_is_an_exception_in_pecan(app: TestApp, log: list[str]) -> None:
    app.post("/", {"q": "hello"})
    assert log == [
        "on_route POST /",
        "before POST / controller=RootController.index_post",
        "on_error POST / exception=HTTPFound status=302",
        "after POST / status=302",
    ]


def test_not_found(app: TestApp, log: list[str]) -> None:
    app.get("/a/bogus/url", status=404)
    assert log == [
        "on_route GET /a/bogus/url",
        "on_error GET /a/bogus/url exception=HTTPNotFound status=404",
        "after GET /a/bogus/url status=404",
    ]


def test_unhandled_exception_is_logged_with_its_traceback(app: TestApp, log: list[str]) -> None:
    app.get("/boom", status=500)
    on_route, before, on_error, traceback, after = log
    assert on_route == "on_route GET /boom"
    assert before == "before GET /boom controller=RootController.boom"
    assert on_error == "on_error GET /boom exception=RuntimeError message='raised deliberately by /boom'"
    assert traceback.startswith("unhandled exception\nTraceback (most recent call last):")
    assert "in boom" in traceback
    assert after == "after GET /boom status=500"


def test_prefix_is_part_of_the_path(app: TestApp, log: list[str]) -> None:
    app.get("/catalog", extra_environ={"SCRIPT_NAME": "/shop"})
    assert log[0] == "on_route GET /shop/catalog"


def test_a_path_cannot_forge_lines(app: TestApp, log: list[str]) -> None:
    app.get("/x%0Aafter%20GET%20/%20status=200", status=404)
    assert log[0] == "on_route GET /x%0Aafter%20GET%20/%20status%3D200"
    assert not any("\n" in line for line in log)


def test_path_that_is_not_utf8(app: TestApp, log: list[str]) -> None:
    app.get("/%ff", status=400)
    assert log == ["on_error GET /%FF exception=HTTPBadRequest status=400", "after GET /%FF status=400"]


def test_request_id_is_logged(paste_app: TestApp, log: list[str]) -> None:
    paste_app.get("/v1/catalog", headers={"X-Request-Id": "abc-1"})
    assert log[0] == "on_route GET /v1/catalog request_id=abc-1"


def test_log_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    from pecan.testing import load_test_app

    load_test_app(str(PROJECT / "config.py")).get("/catalog")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == "INFO [pecan_test_project.hooks] after GET /catalog status=200"
