"""The answers of the three applications of the local inventory."""

from __future__ import annotations

import json
import os
import signal
import uuid

import pytest
from served import COLOURS, Host

SEARCH = "https://pecan.readthedocs.io/en/latest/search.html?q=hello"


@pytest.mark.parametrize(
    ("app", "path", "answer"),
    [
        ("test1", "/catalog", "Welcome to the catalog."),
        ("test1", "/catalog/books", "Welcome to book section."),
        ("test1", "/catalog/books/bestsellers", "We have 5 books in the top 10."),
        ("test1", "/basemethod/", "{}"),
        ("test1", "/look_test/66/name", "66"),
        ("test1", "/look_test/66/other", "No controller for 'other': this is _default of 66."),
        ("test1", "/my_restcontroller/13579", "13579"),
        ("test2", "/v1/catalog", "Welcome to the catalog."),
        ("test2", "/v1/my_restcontroller/13579", "13579"),
        ("test3", "/shop/catalog", "Welcome to the catalog."),
    ],
)
def test_text(host: Host, app: str, path: str, answer: str) -> None:
    response = host.ask(app, path)
    assert (response.status, response.text) == (200, answer)


@pytest.mark.parametrize(
    ("app", "path", "status", "part"),
    [
        ("test1", "/", 200, "<title>Pecan test project</title>"),
        ("test1", "/a/bogus/url", 404, "To the index page"),
        ("test2", "/v2", 404, "<h1>404 Not Found</h1>"),
        ("test3", "/shop", 200, 'href="/shop/catalog"'),
        ("test3", "/shop/", 200, 'href="/shop/public/css/style.css"'),
        ("test3", "/shop/a/bogus/url", 404, 'href="/shop/"'),
        ("test3", "/catalog", 404, "not found on this server"),
        ("test3", "/", 404, "not found on this server"),
        ("test3", "/icons/", 404, "not found on this server"),
    ],
)
def test_pages(host: Host, app: str, path: str, status: int, part: str) -> None:
    """Links contain the path that the app is mounted at; the app does not answer outside of that path."""
    response = host.ask(app, path, headers={"Accept": "text/html"})
    assert response.status == status
    assert response.headers["content-type"].startswith("text/html")
    assert part in response.text


@pytest.mark.parametrize(
    ("path", "form", "status", "answer"),
    [("/basemethod/", {"hello": "world"}, 200, {"hello": "world"}), ("/", {"q": "hello"}, 302, SEARCH)],
)
def test_post(host: Host, path: str, form: dict[str, str], status: int, answer: object) -> None:
    response = host.ask("test1", path, method="POST", form=form)
    assert response.status == status
    assert answer == (response.headers["location"] if status == 302 else json.loads(response.text))


def test_errors_tell_the_client_nothing(host: Host) -> None:
    response = host.ask("test1", "/boom")
    assert response.status == 500
    assert "Traceback" not in response.text
    assert "raised deliberately" not in response.text
    host.log_with("test1-output", r"Traceback \(most recent call last\)", "RuntimeError: raised deliberately by /boom")


def test_apache_serves_static_files_itself(host: Host) -> None:
    """Apache sends them while every daemon process of the application is stopped."""
    daemons = [str(pid) for colour in COLOURS for pid in host.daemons("test1", colour)]
    host.run("kill", f"-{int(signal.SIGSTOP)}", *daemons)
    try:
        style = host.ask("test1", "/public/css/style.css")
        missing = host.ask("test1", "/public/css/none.css")
        outside = host.ask("test1", "/public/%2e%2e/%2e%2e/config.py")
    finally:
        host.run("kill", f"-{int(signal.SIGCONT)}", *daemons)
    assert style.status == 200
    assert style.headers["content-type"] == "text/css"
    assert style.headers["etag"]
    assert missing.status == 404
    assert "config" not in outside.text
    assert host.ask("test1", "/").status == 200


def test_browsers_ask_again_for_static_files(host: Host) -> None:
    """An unchanged file is not sent again; a file of another release is."""
    style = host.ask("test1", "/public/css/style.css")
    same = {"If-None-Match": style.headers["etag"], "If-Modified-Since": style.headers["last-modified"]}
    assert host.ask("test1", "/public/css/style.css", headers=same).status == 304
    for other in ({"If-None-Match": '"another"'}, {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}):
        assert host.ask("test1", "/public/css/style.css", headers=other).status == 200


def test_hooks_log_every_phase(host: Host) -> None:
    token = uuid.uuid4().hex
    host.ask("test1", f"/look_test/{token}/name")
    host.ask("test1", f"/bogus/{token}")
    host.log_with(
        "test1-output",
        f"on_route GET /look_test/{token}/name",
        f"before GET /look_test/{token}/name controller=LookedUpController.name",
        f"after GET /look_test/{token}/name status=200",
        f"on_error GET /bogus/{token} exception=HTTPNotFound status=404",
    )


def test_paste_pipeline(host: Host) -> None:
    """A filter of api-paste.ini takes the id that Apache has given the request, and the logs show it."""
    token = uuid.uuid4().hex
    answers = [host.ask("test2", path, headers={"X-Request-Id": token}) for path in ("/v1/catalog", "/")]
    for identifier in [answer.headers["x-request-id"] for answer in answers]:
        assert len(identifier) >= 18
        host.log_with("test2-access", rf'"id":"{identifier}","id_in":"{token}"')
    identifier = answers[0].headers["x-request-id"]
    host.log_with("test2-output", rf"(?m)^\S+Z \S+ {identifier} .*on_route GET /v1/catalog request_id={identifier}")


@pytest.mark.parametrize(
    ("app", "path", "size", "status"),
    [
        ("test2", "/v1/basemethod/", 1 << 20, 200),
        ("test2", "/v1/basemethod/", (1 << 20) + 1, 413),
        ("test1", "/basemethod/", 10485760, 200),
        ("test1", "/basemethod/", 10485761, 413),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_are_limited(host: Host, app: str, path: str, size: int, status: int, chunked: bool) -> None:
    """The filter of the pipeline refuses the body, and so does Apache (max_body)."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"a=" + b"b" * (size - 2)
    pieces = [body[at : at + 65_536] for at in range(0, size, 65_536)]
    response = host.ask(app, path, method="POST", body=pieces if chunked else body, headers=form)
    assert response.status == status


def test_a_body_without_a_length(host: Host) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = host.ask("test1", "/basemethod/", method="POST", body=[b"hel", b"lo=world"], headers=form)
    assert (response.status, json.loads(response.text)) == (200, {"hello": "world"})


def test_head(host: Host) -> None:
    """Pecan answers HEAD itself; its RestController does not know it."""
    response = host.ask("test1", "/catalog", method="HEAD")
    assert (response.status, response.headers["content-length"], response.text) == (200, "23", "")
    assert host.ask("test1", "/my_restcontroller/13579", method="HEAD").status == 405


def test_links_of_the_versions_follow_the_request(host: Host) -> None:
    response = json.loads(host.ask("test2", "/").text)
    assert response["versions"][0]["links"][0]["href"] == f"http://{host.address}:8081/v1/"


def test_a_client_cannot_claim_to_be_a_proxy(host: Host) -> None:
    claims = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "elsewhere.example", "X-Forwarded-For": "192.0.2.7"}
    # PasteDeploy's filter "prefix" believes these.
    claims |= {"X-Forwarded-Scheme": "https", "X-Forwarded-Server": "elsewhere.example", "X_Forwarded_Host": "a.b"}
    response = json.loads(host.ask("test2", f"/?{(token := uuid.uuid4().hex)}", headers=claims).text)
    assert response["versions"][0]["links"][0]["href"] == f"http://{host.address}:8081/v1/"
    line = next(line for line in host.log_with("test2-access", token).splitlines() if token in line)
    assert "192.0.2.7" not in line


def test_methods_that_no_record_names(host: Host) -> None:
    assert host.ask("test1", "/", method="PROPFIND").status == 405
    assert host.ask("test1", "/", method="FROBNICATE").status == 501


def test_answers_have_safe_headers(host: Host) -> None:
    answer = host.ask("test1", "/catalog")
    assert {"content-security-policy", "referrer-policy", "x-content-type-options"} <= set(answer.headers)


def test_doors_say_which_release_answers(host: Host) -> None:
    """Each process of both slots names its release. A client from outside does not see the name."""
    for record in host.apps:
        name, path = record["name"], record.get("path", "") + record.get("health", "/")
        for colour in COLOURS:
            folder = f"/srv/wsgi/{name}/slots/{colour}"
            release = json.loads(host.run("cat", f"{folder}/RELEASE.json"))
            assert release["app"] == name
            assert release["id"] == os.path.basename(host.run("readlink", folder).strip())
            answers = host.ask_door(name, colour, path, times=24)
            assert {answer.status for answer in answers} == {200}
            assert {answer.headers["x-grove-release"] for answer in answers} == {release["id"]}
            assert {int(answer.headers["x-grove-process"]) for answer in answers} <= set(host.daemons(name, colour))
        front = host.ask(name, path, headers={"Host": f"blue.{name}.door"})
        assert front.status == 200
        assert not [header for header in front.headers if header.startswith("x-grove")]
