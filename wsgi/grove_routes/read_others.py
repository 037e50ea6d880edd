"""Django, Falcon, Bottle and Pyramid."""

from __future__ import annotations

from typing import Any

from .parts import Answer, Node, Request, arguments_of, code_of
from .read_paste import is_a
from .walking import Reader, Walk


class Django(Reader):
    """``django.core.handlers.wsgi.WSGIHandler``."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "django.core.handlers.wsgi", "WSGIHandler")

    def node(self, thing: Any, walk: Walk) -> Node:
        from django.conf import settings
        from django.urls import get_resolver

        node = Node("django", name=settings.ROOT_URLCONF, code=code_of(thing))
        node.notes = [f"middleware {name}" for name in settings.MIDDLEWARE]
        node.children = [self._pattern(item) for item in get_resolver().url_patterns]
        return node

    def _pattern(self, item: Any) -> Node:
        path = str(item.pattern)
        if hasattr(item, "url_patterns"):
            return Node("mount", path=path, children=[self._pattern(inner) for inner in item.url_patterns])
        kind = getattr(item.callback, "view_class", None)
        if kind is None:
            code, arguments = code_of(item.callback), arguments_of(item.callback, 1)
            return Node("route", path=path, name=item.name or "", code=code, arguments=arguments)
        verbs = [verb for verb in kind.http_method_names if hasattr(kind, verb) and verb != "options"]
        children = [
            Node(
                "method",
                methods=[verb.upper()],
                code=code_of(getattr(kind, verb)),
                arguments=arguments_of(getattr(kind, verb), 1),
            )
            for verb in verbs
        ]
        return Node("route", path=path, name=item.name or "", code=code_of(kind), children=children)

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        from django.conf import settings
        from django.urls import Resolver404, resolve
        from django.utils.module_loading import import_string

        walk.note("django", settings.ROOT_URLCONF, code_of(thing))
        for name in settings.MIDDLEWARE:
            walk.note("middleware", name, code_of(_seeing(import_string(name))))
        try:
            match = resolve(request.path)
        except Resolver404:
            return Answer("refused", "no pattern has this path", status=404)
        walk.note("route", match.route)
        arguments = {**{str(number): value for number, value in enumerate(match.args)}, **match.kwargs}
        kind = getattr(match.func, "view_class", None)
        if kind is None:
            return Answer("function", code=code_of(match.func), arguments=arguments)
        verb = request.method.lower()
        function = getattr(kind, verb, None) or (getattr(kind, "get", None) if verb == "head" else None)
        if function is None:
            return Answer("refused", f"{code_of(kind).name} has no method {verb}", code_of(kind), status=405)
        return Answer("function", code=code_of(function), arguments=arguments)


def _seeing(middleware: Any) -> Any:
    """Return the method of a class of middleware that sees a request, or the function that makes the middleware."""
    names = ("process_request", "process_view", "__call__") if isinstance(middleware, type) else ()
    return next((getattr(middleware, name) for name in names if hasattr(middleware, name)), middleware)


class Falcon(Reader):
    """``falcon.App``."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "falcon.app", "App")

    def node(self, thing: Any, walk: Walk) -> Node:
        node = Node("falcon", code=code_of(thing))
        for handlers in _falcon_middleware(thing):
            node.children.append(Node("middleware", code=code_of(handlers)))
        self._routes(thing._router._roots, node)
        for sink in thing._sinks:
            node.children.append(Node("sink", path=str(sink[0].pattern), code=code_of(sink[1])))
        return node

    def _routes(self, roots: Any, node: Node) -> None:
        for root in roots:
            if root.resource is not None:
                for method, responder in sorted((root.method_map or {}).items()):
                    code = code_of(responder)
                    if not code.name.startswith("falcon."):
                        node.children.append(
                            Node(
                                "route",
                                path=root.uri_template,
                                methods=[method],
                                code=code,
                                arguments=arguments_of(responder, 2),
                            )
                        )
            self._routes(root.children, node)

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        walk.note("falcon", walk.title(thing), code_of(thing))
        for handlers in _falcon_middleware(thing):
            walk.note("middleware", "", code_of(handlers))
        found = thing._router.find(request.path.rstrip("/") or "/")
        if found is None or found[0] is None:
            for sink in thing._sinks:
                match = sink[0].match(request.path)
                if match:
                    return Answer("function", "a sink", code_of(sink[1]), match.groupdict())
            return Answer("refused", "no route has this path", status=404)
        _, methods, values, template = found
        walk.note("route", template)
        responder = methods.get(request.method)
        if responder is None or code_of(responder).name.startswith("falcon."):
            return Answer("refused", f"Falcon answers {request.method} itself", status=405)
        return Answer("function", code=code_of(responder), arguments=dict(values))


def _falcon_middleware(application: Any) -> list[Any]:
    """Return the methods of an application's middleware that see a request before it is routed."""
    return [method for method in application._middleware[0] if callable(method)]


class Bottle(Reader):
    """``bottle.Bottle``."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "bottle", "Bottle")

    def node(self, thing: Any, walk: Walk) -> Node:
        node = Node("bottle", code=code_of(thing))
        for route in thing.routes:
            mounted = _mounted(route)
            if mounted is not None:
                node.children.append(walk.node(mounted, route.config["mountpoint.prefix"].rstrip("/")))
                continue
            code, arguments = code_of(route.callback), arguments_of(route.callback)
            node.children.append(
                Node(
                    "route",
                    path=route.rule,
                    methods=[route.method],
                    name=route.name or "",
                    code=code,
                    arguments=arguments,
                )
            )
        return node

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        import bottle

        walk.note("bottle", walk.title(thing), code_of(thing))
        try:
            route, values = thing.router.match(request.environ())
        except bottle.HTTPError as error:
            return Answer("refused", str(error.body), status=error.status_code)
        walk.note("route", f"{route.method} {route.rule}")
        mounted = _mounted(route)
        if mounted is not None:
            return walk.explain(mounted, request.below(route.config["mountpoint.prefix"].rstrip("/")))
        return Answer("function", code=code_of(route.callback), arguments=dict(values))


def _mounted(route: Any) -> Any:
    return route.config.get("mountpoint.target")


class Pyramid(Reader):
    """``pyramid.router.Router``."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "pyramid.router", "Router")

    def node(self, thing: Any, walk: Walk) -> Node:
        node = Node("pyramid", code=code_of(thing))
        routes = {route.name: route.pattern for route in _pyramid_routes(thing)}
        for view in _pyramid_views(thing):
            name = view["route_name"]
            child = Node("view", methods=_pyramid_methods(view), code=_pyramid_code(view), name=view["name"] or "")
            if name is None:
                child.path, child.dynamic = "/…", "the traversal of resources chooses the view"
            else:
                child.path = routes.get(name, "?")
                child.name = name
            node.children.append(child)
        return node

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        from pyramid.interfaces import IRoutesMapper

        walk.note("pyramid", walk.title(thing), code_of(thing))
        mapper = thing.registry.queryUtility(IRoutesMapper)
        if mapper is None:
            return Answer("dynamic", "the application has no routes; the traversal of resources chooses the view")
        asked = thing.request_factory(request.environ())
        asked.registry = thing.registry
        found = mapper(asked)
        if found["route"] is None:
            return Answer("dynamic", "no route has this path; the traversal of resources may find a view")
        route, values = found["route"], found["match"]
        walk.note("route", route.pattern)
        views = [view for view in _pyramid_views(thing) if view["route_name"] == route.name]
        # Pyramid prefers a view with more predicates.
        chosen = [view for view in views if request.method in _pyramid_methods(view)]
        chosen = chosen or [view for view in views if not _pyramid_methods(view)]
        if len(chosen) == 1:
            return Answer("function", code=_pyramid_code(chosen[0]), arguments=dict(values))
        if not chosen:
            return Answer("refused", f"no view of the route {route.name} takes {request.method}", status=404)
        names = ", ".join(_pyramid_code(view).name for view in chosen)
        return Answer("dynamic", f"predicates of the views choose between {names}", arguments=dict(values))


def _pyramid_routes(application: Any) -> list[Any]:
    from pyramid.interfaces import IRoutesMapper

    mapper = application.registry.queryUtility(IRoutesMapper)
    return list(mapper.get_routes(include_static=True)) if mapper is not None else []


def _pyramid_views(application: Any) -> list[Any]:
    return [item["introspectable"] for item in application.registry.introspector.get_category("views") or []]


def _pyramid_methods(view: Any) -> list[str]:
    methods = view["request_methods"]
    if not methods:
        return []
    return [methods] if isinstance(methods, str) else sorted(methods)


def _pyramid_code(view: Any) -> Any:
    function = view["callable"]
    if view["attr"] and isinstance(function, type):
        function = getattr(function, view["attr"])
    return code_of(function)
