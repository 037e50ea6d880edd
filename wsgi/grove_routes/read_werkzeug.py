"""Werkzeug and Flask: rules with their view functions, and applications that are mounted below paths."""

from __future__ import annotations

from typing import Any

from .parts import Answer, Code, Node, Request, arguments_of, code_of
from .read_paste import is_a
from .walking import Reader, Walk


class Dispatcher(Reader):
    """``werkzeug.middleware.dispatcher.DispatcherMiddleware``."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "werkzeug.middleware.dispatcher", "DispatcherMiddleware")

    def node(self, thing: Any, walk: Walk) -> Node:
        mounts = [walk.node(application, prefix) for prefix, application in thing.mounts.items()]
        other = walk.node(thing.app)
        other.notes.append("for every other path")
        return Node("dispatcher", code=code_of(thing), children=[*mounts, other])

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        walk.note("dispatcher", walk.title(thing), code_of(thing))
        # The longest mount wins, cut at a slash.
        prefix = request.path
        while "/" in prefix:
            if prefix in thing.mounts:
                walk.note("mount", prefix)
                return walk.explain(thing.mounts[prefix], request.below(prefix))
            prefix = prefix.rpartition("/")[0]
        walk.note("mount", "every other path")
        return walk.explain(thing.mounts.get(prefix, thing.app), request)


class Flask(Reader):
    """A ``flask.Flask`` application, also with class-based views and Flask-RESTful resources."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "flask.app", "Flask")

    def node(self, thing: Any, walk: Walk) -> Node:
        node = Node("flask", name=thing.import_name, code=code_of(thing))
        node.notes = [f"before each request: {code.name}" for code in _before(thing, None)]
        inner = _behind(thing)
        if inner is not None:
            node.children.append(Node("filter", name="wsgi_app", children=[_filters(inner, walk)]))
        for rule in thing.url_map.iter_rules():
            view = thing.view_functions.get(rule.endpoint)
            methods = sorted(rule.methods or [])
            for function, verbs in _functions(view, methods):
                node.children.append(
                    Node(
                        "route",
                        path=rule.rule,
                        name=rule.endpoint,
                        methods=verbs,
                        code=code_of(function) if function is not None else None,
                        arguments=arguments_of(function) if function is not None else [],
                        notes=[] if function is not None else ["Flask answers itself"],
                    )
                )
        return node

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        walk.note("flask", thing.import_name, code_of(thing))
        inner = _behind(thing)
        while inner is not None:
            held = walk.inner(inner)
            walk.note("filter", "", code_of(inner))
            inner = held[0][1] if len(held) == 1 and code_of(held[0][1]) != _own(thing) else None
        found = matched(thing.url_map, request, walk)
        if isinstance(found, Answer):
            return found
        rule, values = found
        blueprint = rule.endpoint.rpartition(".")[0] or None
        for code in _before(thing, blueprint):
            walk.note("before request", "", code)
        for function, verbs in _functions(thing.view_functions.get(rule.endpoint), [request.method]):
            if request.method in verbs and function is not None:
                return Answer("function", code=code_of(function), arguments=dict(values))
        return Answer("refused", f"Flask answers {request.method} itself", status=200)


def matched(url_map: Any, request: Request, walk: Walk) -> Any:
    """Return the rule of a ``werkzeug.routing.Map`` and its values, or the answer of a request that has none."""
    from werkzeug import exceptions, routing

    adapter = url_map.bind_to_environ(request.environ())
    try:
        rule, values = adapter.match(return_rule=True)
    except routing.RequestRedirect as error:
        return Answer("refused", f"the rules redirect to {error.new_url}", status=error.code)
    except exceptions.HTTPException as error:
        allowed = ", ".join(getattr(error, "valid_methods", None) or [])
        reason = f"the path takes {allowed}" if allowed else "no rule has this path"
        return Answer("refused", reason, status=error.code or 404)
    walk.note("route", f"{', '.join(sorted(rule.methods or [])) or 'any method'} {rule.rule}")
    return rule, values


class RuleMap(Reader):
    """An application of its own that has a ``werkzeug.routing.Map``."""

    def reads(self, thing: Any) -> bool:
        return _map_of(thing) is not None

    def node(self, thing: Any, walk: Walk) -> Node:
        node = Node("werkzeug", code=code_of(thing))
        for rule in _map_of(thing).iter_rules():
            child = Node("route", path=rule.rule, methods=sorted(rule.methods or []), name=str(rule.endpoint))
            if callable(rule.endpoint):
                child.name, child.code = "", code_of(rule.endpoint)
                child.arguments = arguments_of(rule.endpoint)
            else:
                child.dynamic = "the application turns the endpoint into a function"
            node.children.append(child)
        return node

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        walk.note("werkzeug", walk.title(thing), code_of(thing))
        found = matched(_map_of(thing), request, walk)
        if isinstance(found, Answer):
            return found
        rule, values = found
        if callable(rule.endpoint):
            return Answer("function", code=code_of(rule.endpoint), arguments=dict(values))
        text = f"{code_of(thing).name} turns the endpoint {rule.endpoint!r} into a function"
        return Answer("dynamic", text, code_of(thing), dict(values))


def _map_of(thing: Any) -> Any:
    for value in getattr(thing, "__dict__", {}).values():
        if is_a(value, "werkzeug.routing.map", "Map") or is_a(value, "werkzeug.routing", "Map"):
            return value
    return None


def _own(application: Any) -> Code:
    return code_of(type(application).wsgi_app)


def _behind(application: Any) -> Any:
    """Return the filter that somebody has put into the attribute ``wsgi_app``, or None."""
    return application.__dict__.get("wsgi_app")


def _filters(thing: Any, walk: Walk) -> Node:
    node = Node("filter", code=code_of(thing))
    node.children = [_filters(value, walk) for _, value in walk.inner(thing) if not _is_own(value)]
    return node


def _is_own(value: Any) -> bool:
    return is_a(getattr(value, "__self__", None), "flask.app", "Flask")


def _before(application: Any, blueprint: str | None) -> list[Code]:
    functions = application.before_request_funcs
    names = [None, blueprint] if blueprint else [None]
    return [code_of(function) for name in names for function in functions.get(name, [])]


def _functions(view: Any, methods: list[str]) -> list[tuple[Any, list[str]]]:
    """Return the functions behind a view, each with the HTTP methods that it answers; None stands for Flask itself."""
    kind = getattr(view, "view_class", None)
    if kind is None:
        if view is None:
            return [(None, methods)]
        # Flask answers OPTIONS itself unless the view wants it.
        automatic = [method for method in methods if method == "OPTIONS"]
        own = [method for method in methods if method not in automatic]
        return [*([(view, own)] if own else []), *([(None, automatic)] if automatic and not own else [])]
    found: list[tuple[Any, list[str]]] = []
    for method in methods:
        function = getattr(kind, method.lower(), None)
        if function is None and method == "HEAD":
            function = getattr(kind, "get", None)
        if function is None and not hasattr(kind, "get"):
            function = getattr(kind, "dispatch_request", None)
        found.append((function, [method]))
    merged: list[tuple[Any, list[str]]] = []
    for function, verbs in found:
        same = next((item for item in merged if item[0] is function), None)
        if same:
            same[1].extend(verbs)
        else:
            merged.append((function, list(verbs)))
    return merged
