"""Pecan: controllers, their methods, and hooks. An explanation follows Pecan's own routing."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from .parts import Answer, Node, Request, arguments_of, code_of
from .read_paste import is_a
from .walking import Reader, Walk

CHOOSERS = ("_lookup", "_default", "_route")
VERBS = {
    "get_all": ("GET", ""),
    "get_one": ("GET", "{arguments}"),
    "get": ("GET", "{arguments}"),
    "new": ("GET", "/new"),
    "edit": ("GET", "{arguments}/edit"),
    "get_delete": ("GET", "{arguments}/delete"),
    "head": ("HEAD", ""),
    "post": ("POST", ""),
    "put": ("PUT", "{arguments}"),
    "patch": ("PATCH", "{arguments}"),
    "delete": ("DELETE", "{arguments}"),
    "post_delete": ("DELETE", "{arguments}"),
    "options": ("OPTIONS", ""),
    "trace": ("TRACE", ""),
}
"""What calls each method of a RestController: the HTTP method, and what the path adds."""
HOOK_METHODS = ("on_route", "before", "after", "on_error")
DEEPEST_CONTROLLER = 25


class _Dynamic(Exception):  # noqa: N818 (it is no error)
    """Raised where a method of the application has to choose."""

    def __init__(self, chooser: Any, remainder: Any, failure: str = "") -> None:
        super().__init__()
        self.chooser, self.remainder, self.failure = chooser, remainder, failure


class Pecan(Reader):
    """A ``pecan.Pecan`` application."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "pecan.core", "PecanBase")

    def node(self, thing: Any, walk: Walk) -> Node:
        skipped = 2 if is_a(thing, "pecan.core", "ExplicitPecan") else 0
        root = _Controllers(skipped).node(thing.root, "", ())
        hooks = [_hook(hook) for hook in thing.hooks]
        return Node("pecan", code=code_of(thing), children=[*hooks, *([root] if root else [])])

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        from webob import exc

        walk.note("pecan", walk.title(thing), code_of(thing))
        for hook in thing.hooks:
            for name in _methods(hook):
                walk.note("hook", name, code_of(getattr(hook, name)))
        try:
            with _requests(thing, request) as asked, _followed(walk):
                return _routed(thing, asked, walk)
        except _Dynamic as dynamic:
            code = code_of(dynamic.chooser)
            rest = "/".join(dynamic.remainder or [])
            text = f"{code.name} chooses the controller for the rest of the path, {rest!r}"
            if dynamic.failure:
                text += f"; without the filters before it, it failed with {dynamic.failure}"
            return Answer("dynamic", text, code)
        except exc.HTTPException as error:
            return Answer("refused", "Pecan answers itself: no exposed method takes this request", status=error.code)


def _routed(thing: Any, asked: Any, walk: Walk) -> Answer:
    from pecan.core import RoutingState
    from webob import exc

    if walk.lookup:
        # These may give the request what the choosing methods need.
        thing.handle_hooks(thing.hooks, "on_route", RoutingState(asked, thing.response_cls(), thing))
    controller, remainder = thing.route(asked, thing.root, asked.pecan["routing_path"])
    settings = controller._pecan
    if settings.get("generic_handler"):
        return Answer("refused", "Pecan hides the handlers of a generic method", status=404)
    owner = None
    if settings.get("generic"):
        owner = controller.__self__
        handlers = settings["generic_handlers"]
        controller = handlers.get(asked.method, handlers["DEFAULT"])
        settings = controller._pecan
    for hook in settings.get("hooks", []):
        for name in _methods(hook):
            walk.note("hook", f"{name}, of this controller", code_of(getattr(hook, name)))
    state = RoutingState(asked, thing.response_cls(), thing, [], controller)
    try:
        args, more, keywords = thing.get_args(state, _parameters(asked), remainder, settings["argspec"], owner)
    except exc.HTTPNotFound:
        code = code_of(controller)
        return Answer("refused", f"the path has more parts than {code.name} takes", code, status=404)
    names = [name for name in settings["argspec"].args if name != "self"]
    if is_a(thing, "pecan.core", "ExplicitPecan"):
        names = names[2:]
    values = [value for value in (args if owner is None else args[1:]) if not _is_message(value)]
    arguments = dict(zip(names, values))  # noqa: B905 (Python 3.9)
    if more:
        arguments["*"] = list(more)
    arguments.update(keywords)
    if content_types := [name for name in settings.get("content_types", {}) if name]:
        walk.note("content types", ", ".join(content_types))
    return Answer("function", code=code_of(controller), arguments=arguments)


def _parameters(asked: Any) -> dict[str, Any]:
    """Return the parameters of the URL, and of a JSON body that is an object."""
    parameters: dict[str, Any] = asked.GET.mixed()
    if asked.method != "GET" and asked.content_type == "application/json" and isinstance(asked.json, dict):
        parameters.update(asked.json)
    return parameters


def _is_message(value: Any) -> bool:
    return is_a(value, "webob.request", "BaseRequest") or is_a(value, "webob.response", "Response")


@contextlib.contextmanager
def _requests(thing: Any, request: Request) -> Iterator[Any]:
    """Yield Pecan's request, which is the current one of this thread as it is while Pecan answers."""
    from pecan import core

    asked = thing.request_cls(request.environ())
    asked.pecan = {"routing_path": asked.path_info, "extension": None, "content_type": None, "app": thing}
    asked.context = {}
    local = getattr(core, "state", None)
    if local is None or is_a(thing, "pecan.core", "ExplicitPecan"):
        yield asked
        return
    before = dict(local.__dict__)
    local.request, local.response, local.app, local.controller = asked, thing.response_cls(), thing, None
    try:
        yield asked
    finally:
        local.__dict__.clear()
        local.__dict__.update(before)


@contextlib.contextmanager
def _followed(walk: Walk) -> Iterator[None]:
    """Let Pecan's routing call none of the application's methods, unless the walk may call those that choose."""
    from pecan import rest, routing
    from webob import exc

    traverse, spec = routing.handle_lookup_traversal, routing.getargspec

    def chosen(chooser: Any, remainder: Any) -> Any:
        if not walk.lookup:
            raise _Dynamic(chooser, remainder)
        walk.note("called", ", ".join(map(repr, remainder)), code_of(chooser))
        try:
            return traverse(chooser, remainder)
        except exc.HTTPException:
            raise
        except Exception as error:
            raise _Dynamic(chooser, remainder, f"{type(error).__name__}: {error}") from error

    def secured(controller: Any, owner: Any = None) -> None:
        check = getattr(controller, "_pecan", {}).get("check_permissions")
        if check:
            walk.note("permission", "a check that was not made", code_of(check) if callable(check) else None)

    def described(function: Any) -> Any:
        own = getattr(function, "__name__", "") == "_route" and not walk.lookup
        if own and getattr(function, "__func__", None) is not rest.RestController._route:
            raise _Dynamic(function, None)
        return spec(function)

    def crossed(before: Any, after: Any) -> None:
        """Stand for the check of a controller that is entered, which would call the application."""

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (routing, "handle_lookup_traversal", chosen),
        (rest, "handle_lookup_traversal", chosen),
        (routing, "handle_security", secured),
        (routing, "cross_boundary", crossed),
        (routing, "getargspec", described),
    ]
    originals = [(module, name, getattr(module, name)) for module, name, _ in replaced]
    for module, name, function in replaced:
        setattr(module, name, function)
    try:
        yield
    finally:
        for module, name, function in originals:
            setattr(module, name, function)


def _methods(hook: Any) -> list[str]:
    """Return the methods that a hook has of its own."""
    from pecan.hooks import PecanHook

    own = [name for name in HOOK_METHODS if hasattr(hook, name)]
    return [name for name in own if getattr(type(hook), name, None) is not getattr(PecanHook, name)]


def _hook(hook: Any) -> Node:
    kind = type(hook)
    methods = _methods(hook)
    code = code_of(getattr(hook, methods[0])) if methods else code_of(kind)
    return Node("hook", name=f"{kind.__module__}.{kind.__qualname__}", code=code, notes=[", ".join(methods)])


class _Controllers:
    """Reads controllers. ``skipped`` arguments of each method are the request and the response, not the client's."""

    def __init__(self, skipped: int) -> None:
        self.skipped = skipped

    def node(self, thing: Any, path: str, above: tuple[int, ...]) -> Node | None:
        """Return the node of a controller, or None for an object that has no exposed method anywhere below it."""
        if id(thing) in above or len(above) > DEEPEST_CONTROLLER:
            return None
        kind = thing if isinstance(thing, type) else type(thing)
        node = Node("controller", path=path, name=f"{kind.__module__}.{kind.__qualname__}")
        is_rest = any(base.__module__ == "pecan.rest" and base.__name__ == "RestController" for base in kind.__mro__)
        for name in dir(thing):
            if name.startswith("__"):
                continue
            static = inspect.getattr_static(thing, name, None)
            if isinstance(static, property):
                continue
            try:
                value = getattr(thing, name)
            except Exception:
                continue
            if getattr(value, "exposed", False) is True and hasattr(value, "_pecan"):
                node.children += self._method(thing, name, value, is_rest)
            elif _may_be_controller(value):
                prefix = self._fixed(thing) if is_rest else ""
                child = self.node(value, f"{prefix}/{name}", (*above, id(thing)))
                if child:
                    node.children.append(child)
        if not node.children:
            return None
        return node

    def _fixed(self, thing: Any) -> str:
        method = getattr(thing, "get_one", None) or getattr(thing, "get", None)
        if method is None or not hasattr(method, "_pecan"):
            return ""
        names = method._pecan["argspec"].args[1 + self.skipped :]
        return "".join(f"/{{{name}}}" for name in names)

    def _method(self, thing: Any, name: str, method: Any, is_rest: bool) -> list[Node]:
        settings = method._pecan
        if settings.get("generic_handler"):
            return []
        if name == "_route" and is_rest and code_of(method).name.startswith("pecan.rest."):
            return []
        node = Node("method", code=code_of(method), arguments=arguments_of(method, self.skipped))
        node.content_types = sorted(str(item) for item in settings.get("content_types", {}) if item)
        node.notes = [f"hook {type(hook).__module__}.{type(hook).__qualname__}" for hook in settings.get("hooks", [])]
        if name in CHOOSERS:
            node.path = "/…"
            node.dynamic = f"{name} chooses what answers the rest of the path"
            if name == "_default":
                node.dynamic = "it answers every path that no other method takes"
            return [node]
        if is_rest:
            custom = getattr(thing, "_custom_actions", {})
            verb, path = VERBS.get(name, ("", ""))
            if name in custom:
                node.methods, node.path = list(custom[name]), f"/{name}"
            elif verb:
                names = settings["argspec"].args[1 + self.skipped :]
                arguments = "".join(f"/{{{argument}}}" for argument in names)
                node.methods, node.path = [verb], path.replace("{arguments}", arguments)
            else:
                node.path = f"/{name}"
                node.notes.append("no HTTP method leads to this method of a RestController by its name")
            return [node]
        node.path = "/" + (getattr(method, "custom_route", None) or ("" if name == "index" else name))
        if not settings.get("generic"):
            node.methods = sorted(settings.get("allowed_methods", []))
            return [node]
        nodes = []
        for verb, handler in settings["generic_handlers"].items():
            nodes.append(
                Node(
                    "method",
                    path=node.path,
                    methods=["any other" if verb == "DEFAULT" else verb],
                    code=code_of(handler),
                    arguments=arguments_of(handler, self.skipped),
                    content_types=sorted(str(item) for item in handler._pecan.get("content_types", {}) if item),
                )
            )
        return nodes


def _may_be_controller(value: Any) -> bool:
    if value is None or inspect.isroutine(value) or inspect.ismodule(value):
        return False
    kind = value if isinstance(value, type) else type(value)
    return kind.__module__ not in ("builtins", "types", "logging", "abc", "threading", "functools", "weakref")
