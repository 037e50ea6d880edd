"""The pieces that make Pecan faster against Pecan and WebOb as they are."""

from __future__ import annotations

import gc
import importlib
import inspect
import io
import itertools
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pecan
import pecan.core
import pecan.rest
import pecan.routing
import pecan_controllers
import pytest
import webob
import webob.acceptparse
import webob.multidict
from grove_runtime import pecan_accept, pecan_piece, pecan_requests, pecan_responses, pecan_routing, pecan_signatures
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pecan_controllers import OwnRequest, OwnResponse, outcome, read_all, seen

PIECES: dict[str, Any] = {
    "signatures": pecan_signatures,
    "requests": pecan_requests,
    "routing": pecan_routing,
    "accept": pecan_accept,
    "responses": pecan_responses,
}
OWN = {name: PIECES[name].piece for name in PIECES if name != "signatures"}
"""The pieces that are made of a `pecan_piece.Piece`."""

PATCHED = [
    pecan.core,
    pecan.core.Request,
    pecan.core.Response,
    pecan.core.PecanBase,
    pecan.core.Pecan,
    OwnRequest,
    OwnResponse,
    pecan.rest,
    pecan.rest.RestController,
    pecan.routing,
    pecan.util,
    webob.Request,
    webob.Response,
    webob.multidict.NestedMultiDict,
    webob.acceptparse,
    webob.acceptparse.Accept,
    webob.acceptparse.AcceptValidHeader,
]

thorough = settings(database=None, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def uninstall() -> None:
    for module in PIECES.values():
        module.uninstall()


@pytest.fixture(autouse=True)
def _uninstalled() -> Iterator[None]:
    uninstall()
    yield
    uninstall()


def compared(look: Callable[[], Any], names: tuple[str, ...] = tuple(PIECES)) -> Any:
    """Return what a function returns without pieces, after comparing it with what it returns with pieces."""
    uninstall()
    without = look()
    for name in names:
        assert PIECES[name].install()
    try:
        # What is kept from the first time must not change the second.
        for _ in range(2):
            assert look() == without
    finally:
        uninstall()
    return without


class Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.levelname} {record.getMessage()}")


APPLICATIONS = dict(pecan_controllers.applications())


def environment(
    method: str | None = "GET", path: str | None = "/", query: str | None = "", body: bytes = b"", **headers: Any
) -> dict[str, Any]:
    """Return the environment of a request. Values that are None are absent."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost:80",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if body:
        environ["CONTENT_LENGTH"] = str(len(body))
    return {key: value for key, value in {**environ, **headers}.items() if value is not None}


def without_addresses(value: Any) -> str:
    return re.sub("0x[0-9a-f]+", "0x", repr(value))


def answer(application: Any, environ: dict[str, Any]) -> str:
    """Return what a client, the controllers, the hooks, the log and the server see of a request."""
    environ = {**environ, "wsgi.input": io.BytesIO(environ["wsgi.input"].getvalue())}
    started: list[Any] = []
    log = Log()
    seen.clear()
    logging.getLogger("pecan").addHandler(log)
    logging.getLogger("pecan").propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = outcome(lambda: b"".join(application(environ, lambda *start: started.append(start))))
    finally:
        logging.getLogger("pecan").removeHandler(log)
        logging.getLogger("pecan").propagate = True
    return without_addresses((content, started, seen, log.lines, sorted(environ)))


def segments() -> st.SearchStrategy[str]:
    names = {name for cls in vars(pecan_controllers).values() if isinstance(cls, type) for name in dir(cls)}
    known = sorted(name for name in names if not name.startswith("__"))
    known += [
        "some-path",
        "with-dashes",
        "again",
        "1",
        "2",
        "index",
        "",
        "1.json",
        "x.txt",
        "a.b.html",
        "\xe4",
        "\xc3\xa4",
    ]
    return st.sampled_from(known) | st.text(st.characters(max_codepoint=255), max_size=4)


PATHS = st.one_of(
    st.lists(segments(), max_size=4).map(lambda names: "/" + "/".join(names)),
    st.sampled_from(["/items", "/varying", "/answers", "/hooked", "/default", "/new", "/old"]).flatmap(
        lambda start: st.lists(segments(), max_size=3).map(lambda names: "/".join([start, *names]))
    ),
    st.sampled_from(sorted(name for name in dir(pecan_controllers.Answers) if not name.startswith("_"))).map(
        lambda name: f"/answers/{name}"
    ),
    st.sampled_from(["", "items", "/items/1/parts/2", "/again/items/1", "/varying/items/5", "/index/", "/generic"]),
)
QUERIES = st.one_of(
    st.just(""),
    st.sampled_from(
        ["a=1", "a=1&a=2", "b=x&c=", "_method=delete", "_method=PUT", "item=5&value=6", "a=%ff", "a=%C3%A4", "code=404"]
    ),
    st.sampled_from(["code=204", "code=400", "charset=utf-7", "charset=none", "charset=", "X-A=b", "Location=/x"]),
    st.text(st.characters(max_codepoint=127), max_size=12),
)
ACCEPTS = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "*/*",
            "",
            "application/json",
            "text/html",
            "text/plain;q=0.5, application/json",
            "application/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "application/json;q=0",
            "application/json; indent=4",
            "image/png",
            "not valid",
            'a/b;c="d";q=0.3;e=f',
            "text/html,",
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=8),
)
TYPES = st.sampled_from(
    [
        None,
        "",
        "application/json",
        "application/json; charset=latin-1",
        "application/x-www-form-urlencoded",
        "application/x-www-form-urlencoded; charset=none",
        "multipart/form-data",
        "multipart/form-data; boundary=b",
        "text/plain",
        ";",
        "nonsense",
    ]
)
BODIES = st.one_of(
    st.sampled_from(
        [b"", b"a=1&b=2", b"item=%ff", b'{"name": "n", "x": [1]}', b"[1]", b"{", b"\xff", b"_method=delete"]
    ),
    st.sampled_from([b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n', b"--b\r\nx"]),
    st.binary(max_size=8),
)
METHODS = st.sampled_from(
    ["GET", "GET", "GET", "POST", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "TRACE", "get", "COPY", "X", ""]
)
ODD: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        *[{}] * 10,
        {"REQUEST_METHOD": None},
        {"PATH_INFO": None},
        {"QUERY_STRING": None},
        {"SCRIPT_NAME": None},
        {"SCRIPT_NAME": "/\xe4"},
        {"SCRIPT_NAME": "/\xc3\xa4"},
        {"webob.url_encoding": "latin-1"},
        {"webob.url_encoding": "none"},
        {"paste.testing": True, "paste.testing_variables": {}},
        {"webob.adhoc_attrs": {"context": "old", "theirs": 1}},
        {"pecan.recursive.context": {"from": "before"}},
        {"HTTP_X_KEY": "yes"},
        {"HTTP_X_KEY": "replace"},
        {"HTTP_X_KEY": "\xe4"},
        {"HTTP_COOKIE": "a=b; c=\xe4"},
        {"CONTENT_LENGTH": "3"},
        {"CONTENT_LENGTH": "many"},
    ]
)


@st.composite
def environments(draw: st.DrawFn) -> dict[str, Any]:
    headers = {"HTTP_ACCEPT": draw(ACCEPTS), "CONTENT_TYPE": draw(TYPES), **draw(ODD)}
    return environment(draw(METHODS), draw(PATHS), draw(QUERIES), draw(BODIES), **headers)


@thorough
@given(st.sampled_from(sorted(APPLICATIONS)), st.lists(environments(), min_size=1, max_size=8))
def test_all_pieces_change_nothing(name: str, environs: list[dict[str, Any]]) -> None:
    compared(lambda: [answer(APPLICATIONS[name], environ) for environ in environs])


@pytest.mark.parametrize("piece", PIECES)
@settings(thorough, max_examples=20)
@given(name=st.sampled_from(sorted(APPLICATIONS)), environs=st.lists(environments(), min_size=1, max_size=8))
def test_each_piece_changes_nothing(piece: str, name: str, environs: list[dict[str, Any]]) -> None:
    compared(lambda: [answer(APPLICATIONS[name], environ) for environ in environs], (piece,))


USUAL = [
    *(f"/{name}" for name in dir(pecan_controllers.Root) if not name.startswith("__")),
    *(f"/answers/{name}" for name in dir(pecan_controllers.Answers) if not name.startswith("__")),
    *(
        "/",
        "/?a=2&b=3",
        "/?a=%ff",
        "/items/",
        "/items/5",
        "/items/5/6",
        "/items/5/parts",
        "/items/5/parts/6",
        "/items/new",
    ),
    *("/items/5/parts/6/7/8", "/items/count", "/items/5/copy", "/items/5?_method=delete", "/items/\xe4", "/\xe4"),
    *(
        "/varying/",
        "/varying/1/2/3",
        "/varying/items/7",
        "/old/1",
        "/new/1",
        "/new/no",
        "/default/1/2",
        "/default/items/1",
    ),
    *(
        "/locked/",
        "/hooked/",
        "/hooked/?a=1",
        "/with-dashes/5",
        "/some-path",
        "/none",
        "/again/items/3",
        "/items/5.json",
    ),
    *("/positional/1", "/positional/1/2", "/positional/1/2/3", "/positional/?a=1", "/mixed/1/2/3?x=y", "/wrapped/1"),
    *("/hidden/1", "/keywords?a=b", "/answers/generator/a/b", "/answers/generator/", "/answers/error?code=405"),
    *("/answers/headers?Content-Type=text/csv", "/answers/headers?Location=/x", "/answers/status?code=204"),
    *("/answers/charset?charset=utf-7", "/answers/charset?charset=none", "/generic", "/generic/1"),
]
"""Paths of every kind of controller."""


@pytest.mark.parametrize("name", APPLICATIONS)
def test_every_kind_of_controller(name: str) -> None:
    def look() -> list[str]:
        answers = []
        headers = itertools.cycle(
            [(None, None), ("application/json", "yes"), ("text/html", "replace"), ("bad", "\xe4")]
        )
        for target, method in itertools.product(USUAL, ("GET", "POST", "PUT", "GET", "DELETE", "HEAD", "PATCH")):
            path, _, query = target.partition("?")
            accept, key = next(headers)
            environ = environment(method, path, query, HTTP_ACCEPT=accept, HTTP_X_KEY=key)
            answers.append(answer(APPLICATIONS[name], environ))
        return answers

    without = compared(look)
    statuses = {found[1] for text in without if (found := re.search(r"\[\('(\d+) ", text))}
    expected = {"200", "404"} if name == "explicit" else {"200", "201", "204", "303", "304", "400", "401", "404", "405"}
    assert statuses >= expected - ({"404", "405"} if name == "errors" else set())


@thorough
@given(environments())
def test_requests_have_the_same_attributes(environ: dict[str, Any]) -> None:
    def look() -> list[Any]:
        results: list[Any] = []
        for cls in (pecan.Request, OwnRequest):
            environ["wsgi.input"].seek(0)
            copied = dict(environ)
            request = cls(copied)
            names = ("context", "pecan", "mine", "method", "path_info", "accept", "_private")
            results += [outcome(lambda name=name, to=request: setattr(to, name, "text")) for name in names]  # type: ignore[misc]
            results += [
                hasattr(cls, "pecan"),
                outcome(partial(getattr, cls, "context")),
                outcome(partial(cls, {}, pecan=1)),
            ]
            results.append((sorted(copied), vars(request).keys(), copied.get("webob.adhoc_attrs")))
            request = cls(dict(environ))
            results += [outcome(lambda request=request: request.key), read_all(request), read_all(request)]  # type: ignore[misc]
            results.append(outcome(lambda request=request: delattr(request, "pecan")))  # type: ignore[misc]
            keys = ("a", "b", "_method", "name", None)
            results += [outcome(lambda key=key, of=request: of.params.get(key, "absent")) for key in keys]  # type: ignore[misc]
        return [without_addresses(result) for result in results]

    logging.disable()
    try:
        compared(look)
    finally:
        logging.disable(logging.NOTSET)


ACTIONS = st.one_of(
    st.tuples(st.sampled_from(["text", "unicode_body"]), st.text(max_size=5) | st.just("\ud800") | st.just(b"x")),
    st.tuples(st.just("body"), st.binary(max_size=4) | st.just("x")),
    st.tuples(
        st.just("content_type"),
        st.sampled_from(
            ["application/json", "text/html", "text/plain", "text/css;a=b", "image/png", None, "", 3, "a\nb"]
        ),
    ),
    st.tuples(st.just("charset"), st.sampled_from(["UTF-8", "latin-1", "none", None])),
    st.tuples(st.just("status"), st.sampled_from([200, 201, 204, 304, "200 Fine", "200", "x", b"200 OK"])),
    st.tuples(
        st.just("app_iter"), st.sampled_from([[], [b""], [b"a", b"b"], [b"x"], ["x"], (b"x",), None, [bytearray(b"x")]])
    ),
    st.tuples(st.just("unicode_errors"), st.sampled_from(["strict", "replace", "none"])),
    st.tuples(st.just("default_body_encoding"), st.sampled_from(["UTF-8", "latin-1", None])),
    st.tuples(st.just("conditional_response"), st.booleans()),
    st.tuples(st.just("etag"), st.just("tag")),
    st.tuples(st.just("location"), st.just("/x")),
    st.tuples(st.just("content_md5"), st.just("x")),
    st.tuples(
        st.just("headerlist"),
        st.sampled_from(
            [
                [],
                [("content-type", "text/html; charset=UTF-8"), ("Content-Length", "0")],
                [("Content-Type", "text/html; charset=none; charset=UTF-8")],
                [("Content-Type", "application/json"), ("Content-Type", "text/plain; charset=none")],
                [("Content-Type", "text/html; charset=UTF-8"), ("X", "0")],
            ]
        ),
    ),
)
CREATIONS = st.sampled_from(
    [{}, {}, {}, {"body": b"x"}, {"status": 404}, {"json": 1}, {"content_type": "text/css"}, {"x": 1}]
)
CLASSES = st.sampled_from([pecan.Response, pecan.Response, OwnResponse, webob.Response])


def fill(cls: Any, creation: dict[str, Any], actions: list[tuple[str, Any]], accept: str | None) -> list[Any]:
    """Make a response, change it, and return what can be seen of it after each change."""
    results: list[Any] = []

    def look() -> None:
        results.append((response.status, list(response.headerlist), response._app_iter, dict(response.headers)))

    try:
        response = cls(**creation)
    except TypeError as error:
        return [str(error)]
    kept = response.headerlist
    for name, value in actions:
        copied = list(value) if isinstance(value, list) else value
        results.append(outcome(lambda name=name, copied=copied: setattr(response, name, copied)))  # type: ignore[misc]
        look()
        results.append(kept is response.headerlist)
    state = pecan.core.RoutingState(None, response, None)
    results.append(outcome(lambda: pecan.core.PecanBase._handle_empty_response_body(None, state)))
    look()
    results.append([outcome(lambda name=name: getattr(response, name)) for name in ("text", "body", "charset", "json")])  # type: ignore[misc]
    started: list[Any] = []
    environ = environment(HTTP_ACCEPT=accept)
    results.append(outcome(lambda: list(response(environ, lambda *start: started.append(start)))))
    return [without_addresses(result) for result in (*results, started)]


@settings(thorough, max_examples=200)
@given(CLASSES, CREATIONS, st.lists(ACTIONS, max_size=5))
@example(pecan.Response, {}, [("text", "{}"), ("content_type", "application/json")])
@example(pecan.Response, {}, [("text", ""), ("content_type", "application/json")])
@example(pecan.Response, {}, [("body", b"\xff")])
@example(pecan.Response, {}, [("charset", "none"), ("body", b"x")])
@example(pecan.Response, {}, [("app_iter", None), ("text", "x")])
@example(pecan.Response, {}, [("body", b"\xff"), ("unicode_errors", "none")])
def test_responses_are_filled_the_same(cls: Any, creation: dict[str, Any], actions: list[tuple[str, Any]]) -> None:
    compared(lambda: fill(cls, creation, actions, None))


@thorough
@given(
    ACCEPTS, st.lists(st.sampled_from(["text/html", "application/json", "a/b;c=d", "A/B", "*/*", "no", ""]), max_size=3)
)
def test_accept_headers_are_the_same(value: str | None, offers: list[str]) -> None:
    def look() -> Any:
        header = webob.acceptparse.create_accept_header(value)
        result = type(header), repr(header), str(header), header.parsed, vars(header), header.acceptable_offers(offers)
        more = (
            repr(header.copy()),
            outcome(lambda: repr(header + "x/y")),
            outcome(lambda: "text/html" in header),
            bool(header),
        )
        return without_addresses((result, more))

    compared(look)


def test_what_an_application_does_with_a_header_stays_with_its_request() -> None:
    assert pecan_accept.install()
    for _ in range(3):
        header = webob.acceptparse.create_accept_header("a/b;c=d;q=0.5;e=f, g/h")
        assert header.parsed == [("a/b;c=d", 0.5, [("c", "d")], [("e", "f")]), ("g/h", 1.0, [], [])]
        header.parsed[0][2].clear()
        header.parsed.clear()
        header._parsed_nonzero.clear()


def test_ever_new_headers_take_no_memory() -> None:
    assert pecan_accept.install()
    create = webob.acceptparse.create_accept_header
    assert create.__closure__ is not None
    parse_offer = vars(webob.acceptparse.Accept)["parse_offer"].__func__
    kept = [cell.cell_contents for cell in (*create.__closure__, *parse_offer.__closure__)]
    kept = [content for content in kept if isinstance(content, dict)]
    for number in range(1000):
        create(f"text/x{number}").acceptable_offers([f"text/y{number}"])
        create("text/x," * 100 + f"text/z{number}").acceptable_offers([f"text/{'y' * 300}{number}"])
    assert len(kept) == 2
    assert all(0 < len(content) <= 64 and max(map(len, content)) <= 256 for content in kept)


def upstream_calls(path: str, look: Callable[[], Any]) -> int:
    """Return how often a function is called while another one runs."""
    code = pecan_piece.find(path).__code__
    calls = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event == "call" and frame.f_code is code

    sys.setprofile(profile)
    try:
        look()
    finally:
        sys.setprofile(None)
    return calls


NEEDS = {
    "requests": ("pecan.core:Request.__getattribute__", 40),
    "routing": ("webob.request:BaseRequest.path.fget", 3),
    "accept": ("webob.acceptparse:Accept.parse", 1),
    "responses": ("pecan.core:Response.charset.fget", 3),
}
"""A function that one request calls often in Pecan 1.8.0 and WebOb 1.8.11, and how often at least."""


@pytest.mark.parametrize("name", OWN)
def test_upstream_still_needs_the_piece(name: str) -> None:
    application = APPLICATIONS["usual"]
    environ = environment(path="/items/1", HTTP_ACCEPT="application/json")
    path, calls = NEEDS[name]
    answer(application, environ)
    assert upstream_calls(path, lambda: answer(application, environ)) >= calls, (
        f"A request no longer calls {path} so often: wsgi/grove_runtime/pecan_{name}.py may have become superfluous. "
        "Measure it with bench/pecan_pieces_cost.py."
    )
    function = pecan_piece.find(path).__code__
    assert PIECES[name].install()
    answer(application, environ)
    after = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal after
        after += event == "call" and frame.f_code is function

    sys.setprofile(profile)
    try:
        answer(application, environ)
    finally:
        sys.setprofile(None)
    assert after == 0


def test_routing_lists_no_attributes_of_known_classes() -> None:
    listed = []

    class Listing(pecan_controllers.Items):
        pass

    class Top:
        listing = Listing()

    application = pecan.make_app(Top())
    environ = environment(path="/listing/1")
    answer(application, environ)
    code = pecan.routing._detect_custom_path_segments.__code__

    def profile(frame: Any, event: str, argument: Any) -> None:
        if event == "c_call" and argument is dir and frame.f_code is code:
            listed.append(frame)

    for expected in (2, 0):
        sys.setprofile(profile)
        try:
            answer(application, environ)
        finally:
            sys.setprofile(None)
        assert len(listed) == expected, "Pecan's routing no longer lists the attributes of classes that it knows"
        listed.clear()
        assert pecan_routing.install()


def values() -> list[dict[str, Any]]:
    return [dict(vars(owner)) for owner in PATCHED]


@pytest.mark.parametrize("order", list(itertools.permutations(PIECES)), ids="-".join)
def test_pieces_can_be_installed_and_undone_in_any_order(order: tuple[str, ...]) -> None:
    before = values()
    for name in (*order, *order):
        assert PIECES[name].install()
    assert values() != before
    for name in order:
        PIECES[name].uninstall()
        PIECES[name].uninstall()
    assert values() == before


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, piece in OWN.items() for path in piece.known])
def test_a_piece_leaves_another_function_alone(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module, _, names = path.partition(":")
    owner: Any = importlib.import_module(module)
    *owners, attribute = names.split(".")
    accessor = attribute if attribute in ("fget", "fset", "fdel") else None
    if accessor:
        attribute = owners.pop()
    for part in owners:
        owner = getattr(owner, part)
    original = getattr(owner, attribute)

    def other(*args: Any) -> Any:
        return original(*args)

    changed = property(**{"fget": original.fget, "fset": original.fset, accessor: other}) if accessor else other
    monkeypatch.setattr(owner, attribute, changed)
    before = values()
    assert not PIECES[name].install()
    assert values() == before
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [f"{OWN[name].title} is left as it is: {path} is not the function that this was written for"]


@pytest.mark.parametrize("name", OWN)
def test_a_piece_leaves_a_pecan_without_source_alone(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(function: Any) -> str:
        raise OSError("could not get source code")

    monkeypatch.setattr(inspect, "getsource", failing)
    before = values()
    assert not PIECES[name].install()
    assert values() == before
    assert "has no source" in caplog.text


@pytest.mark.parametrize("name", OWN)
def test_without_pecan(name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for module in [module for module in sys.modules if module.partition(".")[0] in ("pecan", "webob")]:
        monkeypatch.setitem(sys.modules, module, None)
    assert not PIECES[name].install()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_request_class_that_the_application_makes_later() -> None:
    def look() -> Any:
        class Later(pecan.Request):
            @property
            def key(self) -> str:
                return str(self.environ["HTTP_X_KEY"].encode("latin-1").decode())

        logging.disable()
        try:
            return outcome(lambda: Later(environment(HTTP_X_KEY="\xe4")).key)
        finally:
            logging.disable(logging.NOTSET)

    assert compared(look)[0] == "HTTPBadRequest"


def test_a_request_class_with_a_lookup_of_its_own_undoes_the_piece(caplog: pytest.LogCaptureFixture) -> None:
    before = values()
    assert pecan_requests.install()

    class Looking(pecan.Request):
        def __getattribute__(self, name: str) -> Any:
            return super().__getattribute__(name)

    assert values() == before
    assert "Looking looks up its attributes in its own way" in caplog.text
    caplog.clear()
    assert not pecan_requests.install()
    assert values() == before
    assert "Looking looks up its attributes in its own way" in caplog.text
    del Looking
    gc.collect()
    assert pecan_requests.install()


def test_requests_that_zope_interface_describes() -> None:
    class Described:
        """Pyramid, through zope.interface, leaves such an object in WebOb's class."""

        def __get__(self, request: Any, cls: type) -> str:
            return "described"

    webob.request.BaseRequest.__describedBy__ = Described()
    try:
        assert pecan_requests.install()
        assert pecan.Request(environment()).__describedBy__ == "described"
    finally:
        del webob.request.BaseRequest.__describedBy__


def test_threads_get_their_own_answers() -> None:
    for module in PIECES.values():
        assert module.install()
    application = pecan.make_app(pecan_controllers.Root())
    wrong: list[Any] = []

    def ask(number: int) -> None:
        for count in range(100):
            item = f"{number}-{count}"
            environ = environment(path=f"/items/{item}", HTTP_ACCEPT=f"application/json, x/{item}")
            content = b"".join(application(environ, lambda *start: None))
            if json.loads(content)["values"] != [item]:
                wrong.append((item, content))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
