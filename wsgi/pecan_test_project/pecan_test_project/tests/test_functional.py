"""The answers of the project."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from webtest import TestApp

SEARCH = "https://pecan.readthedocs.io/en/latest/search.html"


def test_index_has_a_search_form(app: TestApp) -> None:
    answer = app.get("/", status=200)
    assert answer.content_type == "text/html"
    assert answer.form.method == "post"
    assert answer.form.action == "/"
    assert "q" in answer.form.fields


def test_search_redirects_to_the_documentation(app: TestApp) -> None:
    form = app.get("/").form
    form["q"] = "hello"
    answer = form.submit(status=302)
    assert answer.headers["Location"] == f"{SEARCH}?q=hello"


@pytest.mark.parametrize("q", ["a b&c=d#e", "é/../?", "x\r\nSet-Cookie: y=z", "%0d%0a", ""])
def test_search_words_are_encoded(app: TestApp, q: str) -> None:
    answer = app.post("/", {"q": q}, status=302)
    location = urlsplit(answer.headers["Location"])
    assert location._replace(query="").geturl() == SEARCH
    assert parse_qs(location.query, keep_blank_values=True) == {"q": [q]}
    assert "Set-Cookie" not in answer.headers


def test_search_without_words(app: TestApp) -> None:
    assert app.post("/", {}, status=302).headers["Location"] == f"{SEARCH}?q="


def test_search_with_several_words_fields(app: TestApp) -> None:
    assert app.post("/", "q=a&q=b", status=302).headers["Location"] == f"{SEARCH}?q=a&q=b"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/catalog", "Welcome to the catalog."),
        ("/catalog/books", "Welcome to book section."),
        ("/catalog/books/bestsellers", "We have 5 books in the top 10."),
        ("/look_test/66/name", "66"),
        ("/my_restcontroller/13579", "13579"),
    ],
)
def test_text(app: TestApp, path: str, slash: str, text: str) -> None:
    answer = app.get(path + slash, status=200)
    assert answer.text == text
    assert answer.content_type == "text/plain"


@pytest.mark.parametrize("path", ["/basemethod", "/basemethod/"])
def test_basemethod(app: TestApp, path: str) -> None:
    assert app.get(path, status=200).json == {}
    assert app.post(path, {"hello": "world"}, status=200).json == {"hello": "world"}
    assert app.post(path, status=200).json == {}


def test_basemethod_echoes_every_kind_of_field(app: TestApp) -> None:
    fields = urlencode([("self", "me"), ("é", "ü"), ("two", "1"), ("two", "2")])
    answer = app.post("/basemethod/?not=posted", fields)
    assert answer.json == {"self": "me", "é": "ü", "two": ["1", "2"]}
    upload = app.post("/basemethod/", {"a": "b"}, upload_files=[("file", "a.txt", b"content")])
    assert upload.json == {"a": "b", "file": "a.txt"}


def test_lookup_default(app: TestApp) -> None:
    assert app.get("/look_test/66/other").text == "No controller for 'other': this is _default of 66."
    assert app.get("/look_test/66/a/b").text == "No controller for 'a/b': this is _default of 66."


def test_reflected_text_is_not_html(app: TestApp) -> None:
    answer = app.get("/look_test/<b>/name", headers={"Accept": "text/html,*/*;q=0.1"})
    assert answer.text == "<b>"
    assert answer.content_type == "text/plain"


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/public/css/style.css", "text/css"),
        ("/public/images/logo.svg", "image/svg+xml"),
        ("/public/robots.txt", "text/plain"),
    ],
)
def test_public_files(app: TestApp, path: str, content_type: str) -> None:
    answer = app.get(path, status=200)
    assert answer.content_type == content_type
    assert len(answer.body) > 20


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/public", 404),
        ("/public/", 403),
        ("/public/css/none.css", 404),
        ("/public/../app.py", 403),
        ("/public/%2e%2e/app.py", 403),
        ("/public/%ff", 400),
        ("/public/%00", 404),
    ],
)
def test_nothing_else_is_public(app: TestApp, path: str, status: int) -> None:
    app.get(path, status=status)


@pytest.mark.parametrize("path", ["/a/bogus/url", "/look_test", "/look_test/", "/error/200", "/error/x"])
def test_not_found_page(app: TestApp, path: str) -> None:
    answer = app.get(path, status=404)
    assert answer.content_type == "text/html"
    assert answer.html.h1.text == "404 Not Found"
    assert answer.html.find("link")["href"] == "/public/css/style.css"


def test_not_found_after_a_post(app: TestApp) -> None:
    assert app.post("/a/bogus/url", {"status": "200"}, status=404).html.h1.text == "404 Not Found"


def test_not_found_as_json(app: TestApp) -> None:
    answer = app.get("/a/bogus/url", headers={"Accept": "application/json"}, status=404)
    assert answer.json == {"status": 404, "title": "Not Found", "message": "The resource could not be found."}


def test_unhandled_exception_tells_the_client_nothing(app: TestApp) -> None:
    answer = app.get("/boom", status=500)
    assert answer.html.h1.text == "500 Internal Server Error"
    for secret in ("Traceback", "RuntimeError", "deliberately", "root.py"):
        assert secret not in answer.text


def test_path_that_is_not_utf8(app: TestApp) -> None:
    app.get("/catalog/%ff", status=400)


@pytest.mark.parametrize("prefix", ["/shop", "/a b/é"])
def test_mounted_at_a_prefix(app: TestApp, prefix: str) -> None:
    quoted = {"/shop": "/shop", "/a b/é": "/a%20b/%C3%A9"}[prefix]
    mounted = {"SCRIPT_NAME": prefix.encode().decode("latin-1")}
    index = app.get("/", extra_environ=mounted, status=200)
    assert index.form.action == f"{quoted}/"
    assert index.html.find("link")["href"] == f"{quoted}/public/css/style.css"
    assert index.html.find("img")["src"] == f"{quoted}/public/images/logo.svg"
    assert index.html.find("a")["href"] == f"{quoted}/catalog"
    assert app.get("/catalog", extra_environ=mounted, status=200).text == "Welcome to the catalog."
    assert app.get("/public/robots.txt", extra_environ=mounted, status=200).body
    for path in ("/a/bogus/url", "/public/none"):
        error = app.get(path, extra_environ=mounted, status=404)
        assert error.html.find("link")["href"] == f"{quoted}/public/css/style.css"


def test_prefix_without_a_slash_is_the_index(app: TestApp) -> None:
    assert app.get("", extra_environ={"SCRIPT_NAME": "/shop"}, status=200).form.action == "/shop/"
