"""Applications with every kind of Pecan controller, which record what their controllers and hooks see."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pecan
import pecan.core
import pecan.hooks
import pecan.rest
import pecan.routing
import pecan.secure
import webob

seen: list[Any] = []
"""What the controllers and hooks of the last request saw. The tests empty it before each request."""


def note(name: str, *values: Any, request: Any = None) -> dict[str, Any]:
    """Record a call, and return something to render."""
    request = pecan.request if request is None else request
    environ = request.environ
    state = {key: request.pecan.get(key) for key in ("routing_path", "extension", "content_type", "routing_args")}
    about = request.method, environ.get("PATH_INFO"), environ.get("QUERY_STRING"), state, request.context
    seen.append((name, json.dumps([*values, *about], default=repr)))
    return {"name": name, "values": values}


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def hiding(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Parts(pecan.rest.RestController):
    @pecan.expose("json")
    def get_all(self, item: str) -> Any:
        return note("parts.get_all", item)

    @pecan.expose("json")
    def get_one(self, item: str, part: str, more: str = "none") -> Any:
        return note("parts.get_one", item, part, more)

    @pecan.expose("json")
    def delete(self, item: str, part: str) -> Any:
        return note("parts.delete", item, part)


class Items(pecan.rest.RestController):
    """A REST controller with custom actions and a controller below it."""

    _custom_actions = {"count": ["GET"], "copy": ["POST", "PUT"]}  # noqa: RUF012
    parts = Parts()

    @pecan.expose("json")
    def get_all(self, **filters: Any) -> Any:
        return note("items.get_all", filters)

    @pecan.expose("json")
    def get_one(self, item: str) -> Any:
        return note("items.get_one", item)

    @pecan.expose("json")
    def post(self, name: str = "", **values: Any) -> Any:
        pecan.response.status = 201
        return note("items.post", name, values)

    @pecan.expose("json")
    def put(self, item: str, value: str = "") -> Any:
        return note("items.put", item, value)

    @pecan.expose("json")
    def patch(self, *args: Any, **values: Any) -> Any:
        return note("items.patch", args, values)

    @pecan.expose()
    def delete(self, item: str) -> None:
        note("items.delete", item)
        pecan.response.status = 204

    @pecan.expose("json")
    def count(self) -> Any:
        return note("items.count")

    @pecan.expose("json")
    def copy(self, item: str = "") -> Any:
        return note("items.copy", item)

    @pecan.expose("json")
    def new(self) -> Any:
        return note("items.new")


class Varying(pecan.rest.RestController):
    """A REST controller with a variable number of arguments, decorated methods and `_lookup`."""

    items = Items()

    @pecan.expose("json")
    def get(self, *path: str) -> Any:
        return note("varying.get", path)

    @wrapping
    @pecan.expose("json")
    def post(self, one: str) -> Any:
        return note("varying.post", one)

    @pecan.expose("json")
    @hiding
    def put(self, one: str, two: str = "") -> Any:
        return note("varying.put", one, two)

    @pecan.expose()
    def _lookup(self, name: str, *remainder: str) -> Any:
        note("varying._lookup", name, remainder)
        return (Items(), remainder) if name == "items" else None


class OldRoute:
    @pecan.expose()
    def _route(self, args: list[str]) -> Any:
        note("old._route", args)
        return self.end, args

    @pecan.expose("json")
    def end(self, *args: str) -> Any:
        return note("old.end", args)


class NewRoute:
    @pecan.expose()
    def _route(self, args: list[str], request: Any) -> Any:
        note("new._route", args, type(request).__name__)
        return (self.end, args[1:]) if args[0] != "no" else pecan.abort(404)

    @pecan.expose("json")
    def end(self, *args: str) -> Any:
        return note("new.end", args)


class Default:
    items = Items()

    @pecan.expose("json")
    def _default(self, *args: str) -> Any:
        return note("_default", args)


class Locked(pecan.secure.SecureController):
    @classmethod
    def check_permissions(cls) -> bool:
        return bool(pecan.request.headers.get("X-Key") == "yes")

    @pecan.expose("json")
    def index(self) -> Any:
        return note("locked.index")


class Hooked(pecan.hooks.HookController):
    class _Hook(pecan.hooks.PecanHook):
        priority = 5

        def before(self, state: Any) -> None:
            note("own hook, before", state.controller.__name__, state.arguments)

        def after(self, state: Any) -> None:
            state.response.headers["X-Own-Hook"] = "after"

    __hooks__ = [_Hook()]  # noqa: RUF012

    @pecan.expose("json")
    def index(self, a: str = "") -> Any:
        return note("hooked.index", a)


class Answers:
    """Each kind of answer."""

    @pecan.expose()
    def text(self, value: str = "text") -> Any:
        note("text")
        return value

    @pecan.expose(content_type="text/plain")
    def plain(self) -> Any:
        return "plain \u00e4"

    @pecan.expose(content_type="image/png")
    def octets(self) -> Any:
        return b"\x89PNG"

    @pecan.expose("json")
    @pecan.expose(content_type="text/plain")
    @pecan.expose(content_type="application/xml")
    def several(self) -> Any:
        return note("several") if pecan.request.pecan["content_type"] == "application/json" else "several"

    @pecan.expose()
    def surrogate(self) -> Any:
        return "\ud800"

    @pecan.expose("json")
    def nothing(self) -> None:
        return None

    @pecan.expose()
    def empty(self) -> Any:
        return ""

    @pecan.expose("json")
    def unknown_object(self) -> Any:
        return object

    @pecan.expose()
    def own(self) -> Any:
        return pecan.Response("own", status=203, content_type="text/css")

    @pecan.expose()
    def plain_webob(self) -> Any:
        return webob.Response(json={"a": 1})

    @pecan.expose()
    def same(self) -> Any:
        pecan.response.text = "same"
        return pecan.response

    @pecan.expose()
    def generator(self, *parts: str) -> Any:
        return pecan.Response(app_iter=(part.encode() for part in parts))

    @pecan.expose()
    def charset(self, charset: str = "latin-1") -> Any:
        pecan.response.charset = charset
        return "\u00e4"

    @pecan.expose("json")
    def status(self, code: str = "304") -> Any:
        pecan.response.status = int(code)
        return {}

    @pecan.expose("json")
    def overridden(self) -> Any:
        pecan.override_template(None, "text/csv")
        return "a,b"

    @pecan.expose("json")
    def headers(self, **headers: Any) -> Any:
        for name, value in headers.items():
            pecan.response.headers.add(name, str(value))
        return {}

    @pecan.expose()
    def away(self) -> None:
        pecan.redirect("/items", code=303)

    @pecan.expose()
    def inside(self) -> None:
        pecan.redirect("/answers/text", internal=True)

    @pecan.expose("json")
    def error(self, code: str = "418") -> None:
        pecan.abort(int(code), detail="d\u00e4tail", headers={"X-Error": "yes"})

    @pecan.expose("json")
    def fault(self) -> None:
        raise ValueError("fault")

    @pecan.expose("json")
    def request(self) -> Any:
        request = pecan.core.state.request
        request.mine = ["kept"]
        return note("request", read_all(request), request.mine, hasattr(request, "theirs"))


PROPERTIES = sorted({name for name in dir(webob.Request) if not name.startswith("__")} - {"dynamic_cookies"})


def outcome(function: Callable[[], Any]) -> Any:
    """Return what a function returns, or its exception, as something that can be compared."""
    try:
        return function()
    except Exception as error:
        return type(error).__name__, str(error)


def shown(value: Any) -> str:
    return "method" if callable(value) else repr(value)


def read_all(request: Any) -> list[Any]:
    """Return the value of each property of a request, or the exception that reading it raises."""
    values = []
    for name in PROPERTIES:
        value = outcome(lambda name=name: shown(getattr(request, name)))  # type: ignore[misc]
        values.append((name, value))
    return values


class Root:
    items = Items()
    varying = Varying()
    old = OldRoute()
    new = NewRoute()
    default = Default()
    locked = Locked()
    hooked = Hooked()
    answers = Answers()

    @pecan.expose("json", generic=True)
    def index(self, a: str = "1", **others: Any) -> Any:
        return note("index", a, others)

    @index.when(method="POST", template="json")
    def index_post(self, *rest: str, **form: Any) -> Any:
        return note("index_post", rest, form)

    @pecan.expose("json", generic=True)
    def generic(self) -> Any:
        return pecan.abort(405)

    @generic.when(method="GET")
    def generic_get(self, a: str = "1") -> Any:
        return note("generic_get", a)

    @pecan.expose("json", route="some-path")
    def some_path(self) -> Any:
        return note("some-path")

    @pecan.expose("json")
    def positional(self, a: str, b: str = "2") -> Any:
        return note("positional", a, b)

    @pecan.expose("json")
    def keywords(self, **values: Any) -> Any:
        return note("keywords", values)

    @pecan.expose("json")
    def mixed(self, a: str, *rest: str, **values: Any) -> Any:
        return note("mixed", a, rest, values)

    @wrapping
    @pecan.expose("json")
    def wrapped(self, a: str, b: str = "2") -> Any:
        return note("wrapped", a, b)

    @pecan.expose("json")
    @hiding
    def hidden(self, a: str, b: str = "2") -> Any:
        return note("hidden", a, b)

    @pecan.secure.secure(lambda: pecan.request.headers.get("X-Key") == "yes")
    @pecan.expose("json")
    def secured(self) -> Any:
        return note("secured")

    @pecan.expose("json")
    def error_page(self, code: str = "") -> Any:
        return note("error_page", code)

    @pecan.expose("json")
    def _lookup(self, name: str, *remainder: str) -> Any:
        note("_lookup", name, remainder)
        return (Root(), remainder) if name == "again" else None


pecan.route(Root, "with-dashes", Items())


class ExplicitItems(pecan.rest.RestController):
    @pecan.expose("json")
    def get_one(self, request: Any, response: Any, item: str) -> Any:
        return note("explicit.get_one", item, type(response).__name__, request=request)

    @pecan.expose("json")
    def get_all(self, request: Any, response: Any) -> Any:
        return note("explicit.get_all", request=request)


class ExplicitRoot:
    items = ExplicitItems()

    @pecan.expose("json")
    def index(self, request: Any, response: Any, a: str = "1", **others: Any) -> Any:
        return note("explicit.index", a, others, request=request)


class Noting(pecan.hooks.PecanHook):
    """A hook that records every call, reads what requests offer, and answers for a `ValueError`."""

    def on_route(self, state: Any) -> None:
        note("on_route", type(state.request).__name__, request=state.request)
        if state.request.headers.get("X-Key") == "replace":
            state.request.pecan = {"content_type": None}

    def before(self, state: Any) -> None:
        note("before", repr(state.arguments), repr(state.request.accept), request=state.request)

    def after(self, state: Any) -> None:
        note("after", state.response.status, state.response.headerlist, request=state.request)
        state.response.headers["X-Hook"] = "after"

    def on_error(self, state: Any, error: Exception) -> Any:
        note("on_error", repr(error), request=state.request)
        return pecan.Response("handled", status=599) if isinstance(error, ValueError) else None


class OwnRequest(pecan.Request):
    """A request class with a property that decodes."""

    @property
    def key(self) -> str:
        return str(self.environ.get("HTTP_X_KEY", "").encode("latin-1").decode("utf-8"))


class OwnResponse(pecan.Response):
    default_charset = "latin-1"


class OwnRoot(Root):
    @pecan.expose("json")
    def key(self) -> Any:
        return note("key", pecan.request.key)


def applications() -> Iterator[tuple[str, Any]]:
    """Yield the names of applications, and the applications."""
    yield "usual", pecan.make_app(Root())
    yield "hooks", pecan.make_app(Root(), hooks=[Noting()])
    yield "errors", pecan.make_app(Root(), errors={404: "/error_page?code=404", 405: "/positional/405"})
    yield "json", pecan.make_app(Root(), default_renderer="json", force_canonical=False)
    yield "plain paths", pecan.make_app(Root(), guess_content_type_from_ext=False, hooks=[Noting()])
    yield "own classes", pecan.make_app(OwnRoot(), request_cls=OwnRequest, response_cls=OwnResponse)
    yield "explicit", pecan.make_app(ExplicitRoot(), use_context_locals=False)
