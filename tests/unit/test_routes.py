"""The map of an application and the explanation of a request, each compared with a request that is really answered.

The explanation comes first. Then the application gets the request while a profiler notes each function that runs: the
function that the explanation names has to be among them, and not before the explanation.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import bottle
import django
import falcon
import flask
import flask.views
import pecan
import pecan.hooks
import pecan.rest
import pecan.routing
import pytest
import routes
import routes.middleware
import webob.dec
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path
from django.views import View
from grove_routes import command, parts, read_paste, registry, text
from grove_routes.walking import Walk
from paste.cascade import Cascade
from paste.deploy import loadapp
from paste.deploy import loadwsgi as paste_loader
from pyramid.config import Configurator
from pyramid.response import Response as PyramidResponse
from werkzeug.middleware.dispatcher import DispatcherMiddleware

SAMPLE = Path(__file__).parents[2] / "wsgi" / "pecan_test_project"


def explained(
    application: Any, line: str, headers: list[str] | None = None, **options: Any
) -> tuple[parts.Answer, Walk]:
    """Return the answer that the explanation of a request gives, and the walk with its steps."""
    walk = Walk(registry.READERS, **options)
    return walk.explain(application, parts.parse_request(line, headers or [])), walk


def traced(application: Any, line: str, headers: list[str] | None = None) -> tuple[set[tuple[str, int]], str]:
    """Send the request to the application; return file and line of each function that ran, and the answer's status."""
    ran: set[tuple[str, int]] = set()
    statuses = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            ran.add((frame.f_code.co_filename, frame.f_code.co_firstlineno))

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)
        return lambda data: None

    environ = parts.parse_request(line, headers or []).environ()
    sys.setprofile(note)
    try:
        body = application(environ, start_response)
        b"".join(body)
    finally:
        sys.setprofile(None)
    if hasattr(body, "close"):
        body.close()
    return ran, statuses[-1]


def check(application: Any, line: str, function: str, headers: list[str] | None = None, **arguments: Any) -> Walk:
    """Check that the explanation names ``function`` with ``arguments``, and that this function answers the request."""
    answer, walk = explained(application, line, headers)
    assert (answer.kind, answer.text) in (("function", answer.text),), (answer, walk.steps)
    assert answer.code is not None
    assert answer.code.name.endswith(function), answer
    assert answer.arguments == arguments
    ran, _ = traced(application, line, headers)
    assert (answer.code.file, answer.code.line) in ran
    # What the request passes through ran, too, but for a hook's methods that only errors call.
    for step in walk.steps:
        if step.code is not None and step.kind in ("filter", "urlmap", "dispatcher", "router", "middleware", "flask"):
            assert (step.code.file, step.code.line) in ran, step
    return walk


def refused(application: Any, line: str, status: int) -> None:
    """Check that the explanation and the application refuse a request with the same status."""
    answer, _ = explained(application, line)
    assert (answer.kind, answer.status) == ("refused", status)
    assert traced(application, line)[1].startswith(str(status))


@pytest.fixture
def _paste_as_before() -> Iterator[None]:
    """Take back what the command changes in PasteDeploy."""
    create, find = paste_loader.LoaderContext.create, paste_loader.ConfigLoader.get_context
    yield
    paste_loader.LoaderContext.create, paste_loader.ConfigLoader.get_context = create, find


# Pecan and Paste


@pytest.fixture
def sample(_paste_as_before: None) -> Iterator[tuple[Any, dict[int, list[tuple[str, parts.Code]]]]]:
    """The sample application behind its paste file, and PasteDeploy's names."""
    names = read_paste.Names()
    names.install()
    yield loadapp(f"config:{SAMPLE}/api-paste.ini", name="main"), names.named
    logging.getLogger("pecan_test_project").handlers.clear()


@pytest.mark.parametrize(
    ("line", "function", "arguments"),
    [
        ("GET /v1/my_restcontroller/7", "MyRestController.get_one", {"identifier": "7"}),
        ("GET /v1/", "RootController.index", {}),
        ("POST /v1/", "RootController.index_post", {"q": ""}),
        ("GET /v1/basemethod/", "BaseMethodController.index", {}),
        ("POST /v1/basemethod/", "BaseMethodController.index_post", {}),
        ("GET /v1/catalog/books/bestsellers", "BooksController.bestsellers", {}),
    ],
)
def test_the_sample(sample: Any, line: str, function: str, arguments: dict[str, Any]) -> None:
    application, _ = sample
    walk = check(application, line, function, **arguments)
    assert [step.kind for step in walk.steps][:4] == ["urlmap", "mount", "filter", "filter"]


def test_names_of_the_paste_file(sample: Any) -> None:
    application, named = sample
    node = Walk(registry.READERS, named).node(application)
    assert (node.kind, node.name) == ("urlmap", "main")
    pipeline = next(child for child in node.children if child.path == "/v1")
    assert (pipeline.name, pipeline.children[0].name) == ("request_id", "body_limit")
    assert pipeline.notes[0].startswith("made by pecan_test_project.filters.RequestId.factory (")
    assert pipeline.children[0].children[0].name == "project"


def test_a_lookup_is_dynamic_unless_it_may_be_called(sample: Any) -> None:
    application, _ = sample
    answer, _ = explained(application, "GET /v1/look_test/7/x")
    assert (answer.kind, "LookTestController._lookup" in answer.text) == ("dynamic", True)
    assert "'7/x'" in answer.text
    answer, walk = explained(application, "GET /v1/look_test/7/x", lookup=True)
    assert answer.code is not None
    assert answer.code.name.endswith("LookedUpController._default")
    assert "called" in [step.kind for step in walk.steps]
    assert (answer.code.file, answer.code.line) in traced(application, "GET /v1/look_test/7/x")[0]


def test_entries_of_nova_that_end_with_a_plus() -> None:
    assert read_paste._mounted_at("/v2.1/+", "/v2.1/servers", nova=True) == "/v2.1"
    assert read_paste._mounted_at("/v2.1/+", "/v2.1/", nova=True) is None
    assert read_paste._mounted_at("/v2.1/+", "/v2.1/servers", nova=False) is None


def test_what_the_sample_refuses(sample: Any) -> None:
    refused(sample[0], "GET /v1/nothing", 404)
    refused(sample[0], "GET /v1/catalog/books/bestsellers/more", 404)


class Forbidding(pecan.hooks.PecanHook):
    def before(self, state: Any) -> None:
        state.request.headers["X-Seen"] = "1"


class Chapters(pecan.rest.RestController):
    @pecan.expose("json")
    def get_one(self, book: str, chapter: str) -> dict[str, str]:
        return {"book": book, "chapter": chapter}


class Books(pecan.rest.RestController):
    _custom_actions = {"sold": ["GET"]}  # noqa: RUF012
    chapters = Chapters()

    @pecan.expose("json")
    def get_all(self, **filters: str) -> dict[str, str]:
        return filters

    @pecan.expose("json")
    def get_one(self, book: str) -> dict[str, str]:
        return {"book": book}

    @pecan.expose("json")
    def post(self, **data: Any) -> dict[str, Any]:
        return data

    @pecan.expose("json")
    def delete(self, book: str) -> dict[str, str]:
        return {"book": book}

    @pecan.expose("json")
    def sold(self) -> dict[str, str]:
        return {}


class Routed:
    @pecan.expose()
    def _route(self, args: list[str], request: Any) -> tuple[Any, list[str]]:
        return self.chosen, []

    @pecan.expose("json")
    def chosen(self) -> dict[str, str]:
        return {}


class Shop:
    books = Books()
    routed = Routed()

    @pecan.expose("json")
    def search(self, q: str | None = None, limit: str = "") -> dict[str, str]:
        return {"limit": limit}

    @pecan.expose(route="on-sale", content_type="text/plain")
    def on_sale(self) -> str:
        return "none"


def shop() -> Any:
    return pecan.make_app(Shop(), hooks=[Forbidding()], debug=False)


@pytest.mark.parametrize(
    ("line", "function", "arguments"),
    [
        ("GET /books?limit=1", "Books.get_all", {"limit": "1"}),
        ("GET /books/7", "Books.get_one", {"book": "7"}),
        ("GET /books/7/chapters/2", "Chapters.get_one", {"book": "7", "chapter": "2"}),
        ('POST /books {"title": "x"}', "Books.post", {"title": "x"}),
        ("DELETE /books/7", "Books.delete", {"book": "7"}),
        ("GET /books/sold", "Books.sold", {}),
        ("GET /search?limit=1", "Shop.search", {"q": None, "limit": "1"}),
        ("GET /on-sale", "Shop.on_sale", {}),
    ],
)
def test_controllers_of_pecan(line: str, function: str, arguments: dict[str, Any]) -> None:
    walk = check(shop(), line, function, **arguments)
    assert any(
        step.kind == "hook" and step.code and step.code.name.endswith("Forbidding.before") for step in walk.steps
    )


def test_the_map_of_pecan() -> None:
    lines = text.tree(Walk(registry.READERS).node(shop()))
    joined = "\n".join(lines)
    assert "controller /{book}/chapters " in joined
    assert any(line.strip().startswith("method DELETE /{book} ") for line in lines)
    assert any(line.strip().startswith("method GET /sold ") for line in lines)
    assert any(line.strip().startswith("method /on-sale ") and line.endswith("-> text/plain") for line in lines)
    assert "# dynamic: _route chooses what answers the rest of the path" in joined


def test_a_route_method_of_the_application_is_dynamic() -> None:
    answer, _ = explained(shop(), "GET /routed/x")
    assert (answer.kind, answer.code and answer.code.name.endswith("Routed._route")) == ("dynamic", True)


def test_a_method_that_pecan_refuses() -> None:
    refused(shop(), "PUT /books/7", 405)


# Routes, as OpenStack's services use it


def action(name: str) -> Any:
    def mark(function: Any) -> Any:
        function.wsgi_action = name
        return function

    return mark


class Servers:
    wsgi_actions = {"reboot": "_reboot"}  # noqa: RUF012

    def show(self, req: Any, number: str) -> str:
        return f"server {number}"

    def _reboot(self, req: Any, number: str, body: Any) -> str:
        return f"rebooted {number}"


class Resource:
    """Dispatches as nova's class of this name does."""

    def __init__(self, controller: Any) -> None:
        self.controller = controller
        self.wsgi_actions = {key: getattr(controller, name) for key, name in controller.wsgi_actions.items()}

    @webob.dec.wsgify
    def __call__(self, req: Any) -> str:
        arguments = dict(req.environ["wsgiorg.routing_args"][1])
        del arguments["controller"]
        name = arguments.pop("action")
        if name == "action":
            body = json.loads(req.body)
            return str(self.wsgi_actions[next(iter(body))](req, body=body, **arguments))
        return str(getattr(self.controller, name)(req, **arguments))


class Router:
    def __init__(self) -> None:
        self.map = routes.Mapper()
        servers = Resource(Servers())
        self.map.connect("/servers/{number}", controller=servers, action="show", conditions={"method": ["GET"]})
        self.map.connect(
            "/servers/{number}/action", controller=servers, action="action", conditions={"method": ["POST"]}
        )
        self.map.connect("/named", controller="shop", action="buy")
        self._router = routes.middleware.RoutesMiddleware(self._dispatch, self.map)

    @webob.dec.wsgify
    def __call__(self, req: Any) -> Any:
        return self._router

    @staticmethod
    @webob.dec.wsgify
    def _dispatch(req: Any) -> Any:
        match = req.environ["wsgiorg.routing_args"][1]
        return match["controller"] if match else webob.exc.HTTPNotFound()


def test_routes() -> None:
    check(Router(), "GET /servers/7", "Servers.show", number="7")
    check(Router(), 'POST /servers/7/action {"reboot": {}}', "Servers._reboot", number="7")
    refused(Router(), "GET /nothing", 404)
    answer, _ = explained(Router(), "POST /servers/7/action")
    assert (answer.kind, "one of: reboot" in answer.text) == ("dynamic", True)
    answer, _ = explained(Router(), 'POST /servers/7/action {"stop": {}}')
    assert (answer.kind, answer.status) == ("refused", 400)
    assert explained(Router(), "GET /named")[0].kind == "dynamic"
    assert "action reboot" in "\n".join(text.tree(Walk(registry.READERS).node(Router())))


# Flask and Werkzeug


def flask_application() -> flask.Flask:
    application = flask.Flask("shop")
    blueprint = flask.Blueprint("admin", "admin", url_prefix="/admin")

    @application.before_request
    def log_in() -> None:
        """Runs before every view."""

    @application.get("/items/<int:number>")
    def item(number: int) -> str:
        return str(number)

    @blueprint.route("/", methods=["GET", "POST"])
    def panel() -> str:
        return "panel"

    class Orders(flask.views.MethodView):
        def get(self, order: str) -> str:
            return order

        def delete(self, order: str) -> str:
            return order

    application.register_blueprint(blueprint)
    application.add_url_rule("/orders/<order>", view_func=Orders.as_view("orders"))
    return application


def test_flask() -> None:
    application = flask_application()
    walk = check(application, "GET /items/7", "item", number=7)
    assert any(step.kind == "before request" for step in walk.steps)
    check(application, "POST /admin/", "panel")
    check(application, "DELETE /orders/x", "Orders.delete", order="x")
    check(application, "HEAD /orders/x", "Orders.get", order="x")
    refused(application, "GET /nothing", 404)
    refused(application, "PUT /orders/x", 405)
    refused(application, "GET /admin", 308)
    lines = "\n".join(text.tree(Walk(registry.READERS).node(application)))
    assert "route DELETE,OPTIONS /orders/<order>" in lines or "route DELETE /orders/<order>" in lines


def test_applications_below_paths() -> None:
    application = DispatcherMiddleware(shop(), {"/shop": flask_application()})
    check(application, "GET /shop/items/7", "item", number=7)
    check(application, "GET /books/7", "Books.get_one", book="7")


# The others


def test_django() -> None:
    class Item(View):
        def get(self, request: Any, number: int) -> HttpResponse:
            return HttpResponse(str(number))

    def about(request: Any) -> HttpResponse:
        return HttpResponse("about")

    urls = type(sys)("routes_test_urls")
    urls.__dict__["urlpatterns"] = [path("items/<int:number>/", Item.as_view()), path("about/", about)]
    sys.modules[urls.__name__] = urls
    middleware = ["django.middleware.common.CommonMiddleware"]
    settings.configure(ROOT_URLCONF=urls.__name__, MIDDLEWARE=middleware, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
    django.setup(set_prefix=False)
    application = WSGIHandler()
    check(application, "GET /about/", "about")
    check(application, "GET /items/7/", "Item.get", number=7)
    refused(application, "POST /items/7/", 405)
    refused(application, "GET /nothing/", 404)
    assert "route items/<int:number>/" in "\n".join(text.tree(Walk(registry.READERS).node(application)))


def test_falcon() -> None:
    class Item:
        def on_get(self, req: Any, resp: Any, number: int) -> None:
            resp.text = str(number)

    application = falcon.App()
    application.add_route("/items/{number:int}", Item())
    check(application, "GET /items/7", "Item.on_get", number=7)
    refused(application, "DELETE /items/7", 405)
    refused(application, "GET /nothing", 404)
    assert "route GET /items/{number:int}" in "\n".join(text.tree(Walk(registry.READERS).node(application)))


def test_bottle() -> None:
    application = bottle.Bottle()

    @application.get("/items/<number:int>")  # type: ignore[untyped-decorator, unused-ignore]
    def item(number: int) -> str:
        return str(number)

    check(application, "GET /items/7", "item", number=7)
    refused(application, "GET /nothing", 404)
    refused(application, "POST /items/7", 405)


def test_pyramid() -> None:
    def item(request: Any) -> PyramidResponse:
        return PyramidResponse(request.matchdict["number"])

    with Configurator() as configurator:
        configurator.add_route("item", "/items/{number}")
        configurator.add_view(item, route_name="item", request_method="GET")
    application = configurator.make_wsgi_app()
    check(application, "GET /items/7", "item", number="7")
    refused(application, "POST /items/7", 404)
    assert explained(application, "GET /nothing")[0].kind == "dynamic"


# What no reader knows


class Unknown:
    def __init__(self, application: Any) -> None:
        self.next = application

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self.next(environ, start_response)


def unknown_filter(application: Any) -> Any:
    def filtered(environ: Any, start_response: Any) -> Any:
        return application(environ, start_response)

    return filtered


def plain(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"plain"]


def test_filters_of_no_known_framework() -> None:
    application = unknown_filter(Unknown(unknown_filter(shop())))
    walk = check(application, "GET /books/7", "Books.get_one", book="7")
    names = [step.code.name for step in walk.steps if step.kind == "filter" and step.code][:3]
    assert [name.rpartition(".")[2] for name in names] == ["filtered", "__call__", "filtered"]


def test_an_application_of_no_known_framework() -> None:
    check(Unknown(plain), "GET /x", "plain")
    node = Walk(registry.READERS).node(plain)
    assert (node.kind, node.code) == ("function", parts.code_of(plain))
    assert "no framework" in node.notes[0]


def test_a_filter_with_two_applications_is_dynamic() -> None:
    application = Unknown(plain)
    application.other = unknown_filter(plain)  # type: ignore[attr-defined]
    answer, _ = explained(application, "GET /x")
    assert (answer.kind, "holds several applications" in answer.text) == ("dynamic", True)


def test_a_cascade_asks_the_next_application() -> None:
    application = Cascade([flask_application(), shop()])
    check(application, "GET /items/7", "item", number=7)
    check(application, "GET /books/7", "Books.get_one", book="7")


def test_an_application_that_holds_itself_has_an_end() -> None:
    application = Unknown(None)
    application.next = unknown_filter(application)
    assert explained(application, "GET /x")[0].kind == "dynamic"
    assert Walk(registry.READERS).node(application).kind == "filter"


# The command


def run(capfd: pytest.CaptureFixture[str], words: list[str], application: Any = plain) -> tuple[int, str, str]:
    code = command.main(words, lambda folder: application, "/release")
    output = capfd.readouterr()
    return code, output.out, output.err


@pytest.fixture(autouse=True)
def _own_arguments(monkeypatch: pytest.MonkeyPatch, _paste_as_before: None) -> None:
    monkeypatch.setattr(sys, "argv", list(sys.argv))


def test_json(capfd: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run(capfd, ["--json", "--explain", "GET /books/7"], shop())
    content = json.loads(output)
    assert (code, content["answer"]["arguments"], content["request"]["method"]) == (0, {"book": "7"}, "GET")
    code, output, _ = run(capfd, ["--json"], shop())
    assert (code, json.loads(output)["children"][0]["kind"]) == (0, "filter")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--explain", "/v2/meters"], "found the method '/v2/meters'"),
        (["--explain", "GET v2/meters"], "found the URL 'v2/meters'"),
        (["--explain", "get /"], "found the method 'get'"),
        (["--explain", ""], "found the method ''"),
        (["--explain", "POST / {"], "is not JSON"),
        (["--explain", "GET /", "--header", "X-Version"], "write NAME: VALUE"),
    ],
)
def test_a_request_that_cannot_be_read(capfd: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    code, output, errors = run(capfd, words)
    assert (code, output) == (2, "")
    assert message in errors
    assert "such as" in errors


def test_a_release_that_cannot_be_loaded(capfd: pytest.CaptureFixture[str]) -> None:
    def load(folder: str) -> Any:
        print("a word of the application")
        raise ImportError("No module named shop")

    assert command.main([], load, "/release") == 1
    output = capfd.readouterr()
    assert output.out == ""
    assert "the release cannot be loaded, so its map cannot be read: ImportError: No module named shop" in output.err
