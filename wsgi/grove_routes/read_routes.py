"""Routes: mappers, and the resources with controllers that OpenStack's services put behind them."""

from __future__ import annotations

import json
from typing import Any

from .parts import Answer, Node, Request, arguments_of, code_of
from .read_paste import is_a
from .walking import Reader, Walk

VERSION_HEADERS = ("openstack-api-version", "x-openstack-nova-api-version")


def mapper_of(thing: Any) -> Any:
    """Return the mapper that an object has as an attribute, or None."""
    for value in getattr(thing, "__dict__", {}).values():
        if is_a(value, "routes.mapper", "Mapper"):
            return value
    return None


class Router(Reader):
    """An application that has a ``routes.Mapper``: a router of OpenStack, or ``RoutesMiddleware``."""

    def reads(self, thing: Any) -> bool:
        return mapper_of(thing) is not None

    def node(self, thing: Any, walk: Walk) -> Node:
        children = []
        for route in mapper_of(thing).matchlist:
            children += _nodes(route, walk)
        return Node("router", code=code_of(thing), children=children)

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        walk.note("router", walk.title(thing), code_of(thing))
        mapper = mapper_of(thing)
        environ = request.environ()
        matched = mapper.routematch(environ=environ)
        if not matched:
            return Answer("refused", "no route has this path and method", code_of(thing), status=404)
        match, route = matched
        pattern = _pattern(route)
        methods = _route_methods(route)
        walk.note("route", f"{', '.join(methods) or 'any method'} {pattern}")
        if route.redirect:
            return Answer("refused", f"the route redirects to {route.redirect_status}", status=302)
        match = dict(match)
        controller, action = match.pop("controller", None), match.pop("action", None)
        match.pop("format", None)
        if callable(action):
            walk_answer = walk.explain(action, request)
            return Answer(walk_answer.kind, walk_answer.text, walk_answer.code, {**match, **walk_answer.arguments}, 0)
        if _is_resource(controller):
            return _explain_resource(controller, str(action), match, request, walk)
        if callable(controller):
            return walk.explain(controller, request)
        text = f"the route names the controller {controller!r} and the action {action!r}, which a table of the"
        return Answer("dynamic", f"{text} application turns into a function", arguments=match)


def _pattern(route: Any) -> str:
    path = str(route.routepath)
    return path if path.startswith("/") else f"/{path}"


def _route_methods(route: Any) -> list[str]:
    methods = (route.conditions or {}).get("method") or []
    return [methods] if isinstance(methods, str) else list(methods)


def _is_resource(thing: Any) -> bool:
    return getattr(thing, "controller", None) is not None and not isinstance(thing, type)


def _nodes(route: Any, walk: Walk) -> list[Node]:
    defaults = route.defaults
    controller, action = defaults.get("controller"), defaults.get("action")
    base: dict[str, Any] = {"path": _pattern(route), "methods": _route_methods(route)}
    if route.redirect:
        return [Node("route", **base, notes=["redirects"])]
    if callable(action):
        return [Node("route", **base, code=code_of(action), arguments=arguments_of(action))]
    if _is_resource(controller):
        return _resource_nodes(controller, str(action), base)
    if callable(controller):
        return [Node("route", **base, children=[walk.node(controller)])]
    if controller is None and action is None:
        return [Node("route", **base, dynamic="the path names controller and action")]
    return [
        Node("route", **base, name=f"{controller}.{action}", dynamic="the application turns the name into a function")
    ]


def _resource_nodes(resource: Any, action: str, base: dict[str, Any]) -> list[Node]:
    if action == "action":
        actions = getattr(resource, "wsgi_actions", {})
        children = [
            Node("action", name=key, code=code_of(method), arguments=arguments_of(method, 1), notes=_versions(method))
            for key, method in sorted(actions.items())
        ]
        return [Node("route", **base, notes=["the key of the JSON body names the function"], children=children)]
    methods = _methods(resource, action)
    if not methods:
        return [Node("route", **base, name=action, notes=[f"the controller has no method {action}: 404"])]
    return [
        Node("route", **base, name=action, code=code_of(method), arguments=arguments_of(method, 1), notes=notes)
        for method, notes in methods
    ]


def _methods(resource: Any, action: str) -> list[tuple[Any, list[str]]]:
    """Return the methods of an action with the versions of the API that each is for."""
    controller = resource.controller
    try:
        versioned = object.__getattribute__(controller, "versioned_methods") or {}
    except AttributeError:
        versioned = {}
    if action in versioned:
        return [
            (item.func, [f"for versions {_shown(item.start_version)} to {_shown(item.end_version)}"])
            for item in versioned[action]
        ]
    try:
        method = getattr(controller, action.replace("-", "_") if versioned else action)
    except AttributeError:
        method = getattr(resource, "wsgi_actions", {}).get(action) or getattr(controller, "default", None)
    return [(method, _versions(method))] if method is not None else []


def _shown(version: Any) -> str:
    text = version.get_string() if version and hasattr(version, "get_string") else str(version or "")
    return text or "the newest"


def _versions(method: Any) -> list[str]:
    """Return the versions that a decorator of nova allows."""
    found: list[str] = []
    while method is not None:
        own = getattr(method, "__dict__", {})
        if own.get("min_version") or own.get("max_version"):
            found = [f"for versions {own.get('min_version') or 'any'} to {own.get('max_version') or 'the newest'}"]
            break
        method = getattr(method, "__wrapped__", None)
    return found


def _explain_resource(resource: Any, action: str, match: dict[str, Any], request: Request, walk: Walk) -> Answer:
    walk.note("resource", "", code_of(resource))
    if action == "action":
        actions = getattr(resource, "wsgi_actions", {})
        names = ", ".join(sorted(actions)) or "none"
        try:
            key = next(iter(json.loads(request.body)))
        except (ValueError, TypeError, StopIteration):
            text = f"the first key of the JSON body names the function; add a body with one of: {names}"
            return Answer("dynamic", text, code_of(resource), match)
        if key not in actions:
            return Answer("refused", f"there is no action {key!r}; the controller has: {names}", status=400)
        walk.note("action", key)
        return Answer("function", "; ".join(_versions(actions[key])), code_of(actions[key]), match)
    methods = _methods(resource, action)
    if not methods:
        controller = code_of(type(resource.controller))
        return Answer("refused", f"{controller.name} has no method {action}", status=404)
    if len(methods) == 1:
        method, notes = methods[0]
        return Answer("function", "; ".join(notes), code_of(method), match)
    version = _version(request)
    if version is None:
        places = "; ".join(f"{code_of(method).file}:{code_of(method).line} {notes[0]}" for method, notes in methods)
        text = f"the version in the request's header chooses the function (give the header): {places}"
        return Answer("dynamic", text, code_of(methods[0][0]), match)
    versioned = object.__getattribute__(resource.controller, "versioned_methods")[action]
    for item in versioned:
        if _number(item.start_version, (0, 0)) <= version <= _number(item.end_version, (9999, 9999)):
            return Answer("function", "", code_of(item.func), match)
    return Answer("refused", f"no method {action} is for this version", status=404)


def _version(request: Request) -> tuple[int, int] | None:
    for name, value in request.headers:
        if name.lower() in VERSION_HEADERS:
            major, _, minor = value.split()[-1].partition(".")
            if major.isdigit() and minor.isdigit():
                return int(major), int(minor)
    return None


def _number(version: Any, default: tuple[int, int]) -> tuple[int, int]:
    text = version.get_string() if version and hasattr(version, "get_string") else ""
    major, _, minor = (text or "").partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else default
