"""Walks through a loaded application: each part has a reader, and what no reader knows is looked into."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from .parts import Answer, Code, Node, Request, Step, code_of, is_wsgify

DEEPEST = 60
"""Parts inside each other, at most: more than any application has, and an end for one that contains itself."""
USUAL_NAMES = ("app", "application", "_app", "_application", "wsgi_app", "next_app", "wrapped")
"""Attributes and variables in which a filter usually keeps the application behind it."""


class Reader:
    """Reads one kind of application. A subclass is registered by its entry in ``READERS`` of ``registry.py``."""

    def reads(self, thing: Any) -> bool:
        """Return whether this reader knows ``thing``. It must not import what the application has not imported."""
        raise NotImplementedError

    def node(self, thing: Any, walk: Walk) -> Node:
        """Return what ``thing`` is made of."""
        raise NotImplementedError

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        """Return the end of the request's way, and add to ``walk.steps`` what it passes through."""
        raise NotImplementedError


class Walk:
    """One walk through an application.

    ``named`` holds PasteDeploy's name and factory of each application and filter, by the object's id. With ``lookup``
    an explanation calls the methods of the application that choose a controller, such as Pecan's ``_lookup``.
    """

    def __init__(
        self, readers: list[Reader], named: dict[int, list[tuple[str, Code]]] | None = None, lookup: bool = False
    ) -> None:
        self.readers = readers
        self.named = named or {}
        self.lookup = lookup
        self.steps: list[Step] = []
        self._depth = 0

    def reader_of(self, thing: Any) -> Reader | None:
        """Return the reader that knows ``thing``, if there is one."""
        return next((reader for reader in self.readers if reader.reads(thing)), None)

    def title(self, thing: Any) -> str:
        """Return PasteDeploy's names of ``thing``, the outermost first."""
        return ", ".join(name for name, _ in reversed(self.named.get(id(thing), [])))

    def note(self, kind: str, text: str, code: Code | None = None) -> None:
        """Add a step to the explanation."""
        self.steps.append(Step(kind, text, code))

    def node(self, thing: Any, path: str = "") -> Node:
        """Return the node of ``thing``, which is mounted at ``path``."""
        if self._depth >= DEEPEST:
            return Node("unknown", notes=[f"not shown: more than {DEEPEST} parts are inside each other"])
        self._depth += 1
        try:
            reader = self.reader_of(thing)
            node = reader.node(thing, self) if reader else self._unknown(thing)
        finally:
            self._depth -= 1
        node.path = path + node.path
        node.name = node.name or self.title(thing)
        for _, factory in self.named.get(id(thing), []):
            node.notes.append(f"made by {factory.name} ({factory.file}:{factory.line})")
        return node

    def explain(self, thing: Any, request: Request) -> Answer:
        """Return the end of the way of ``request`` through ``thing``."""
        if self._depth >= DEEPEST:
            return Answer("dynamic", f"more than {DEEPEST} parts are inside each other")
        self._depth += 1
        try:
            reader = self.reader_of(thing)
            return reader.explain(thing, request, self) if reader else self._explain_unknown(thing, request)
        finally:
            self._depth -= 1

    def inner(self, thing: Any) -> list[tuple[str, Any]]:
        """Return the WSGI applications that ``thing`` holds, each with the name of the attribute or variable."""
        held = held_by(thing)
        usual = [(name, value) for name, value in held if name in USUAL_NAMES and is_called(value)]
        found = usual[:1] or [(name, value) for name, value in held if self.is_wsgi(value)]
        return [(name, value) for name, value in found if value is not thing]

    def is_wsgi(self, value: Any) -> bool:
        """Return whether ``value`` is a WSGI application, as far as its type and its signature tell."""
        if not is_called(value):
            return False
        if is_wsgify(value) or is_wsgify(inspect.getattr_static(type(value), "__call__", None)):
            return True
        if self.reader_of(value):
            return True
        try:
            names = list(inspect.signature(value).parameters)
        except (TypeError, ValueError):
            return False
        return len(names) == 2 and names[1].startswith("start")

    def _unknown(self, thing: Any) -> Node:
        inner = self.inner(thing)
        code = code_of(thing)
        if not inner:
            notes = [] if self.title(thing) else ["Grove knows no framework of this type; the function answers itself"]
            return Node("function", code=code, notes=notes)
        node = Node("filter", code=code, children=[self.node(value) for _, value in inner])
        if len(inner) > 1:
            node.dynamic = "it holds several applications, and chooses one for each request"
        return node

    def _explain_unknown(self, thing: Any, request: Request) -> Answer:
        inner = self.inner(thing)
        code = code_of(thing)
        if not inner:
            return Answer("function", code=code)
        self.note("filter", self.title(thing), code)
        if len(inner) > 1:
            return Answer("dynamic", f"{code.name} holds several applications, and chooses one for each request", code)
        return self.explain(inner[0][1], request)


def is_called(value: Any) -> bool:
    """Return whether ``value`` can be an application: it can be called, and is no class."""
    return callable(value) and not isinstance(value, type)


def held_by(thing: Any) -> list[tuple[str, Any]]:
    """Return what a callable keeps, by name: attributes, variables of its closure, and bound arguments."""
    if isinstance(thing, functools.partial):
        return [("app", thing.func), *((str(n), value) for n, value in enumerate(thing.args)), *thing.keywords.items()]
    if is_wsgify(thing):
        behind = [("app", thing.middleware_wraps)] if thing.middleware_wraps is not None else []
        return [*behind, *(held_by(thing.func) if thing.func is not None else [])]
    if inspect.ismethod(thing):
        return held_by(thing.__self__) if not isinstance(thing.__self__, type) else []
    if inspect.isfunction(thing):
        held = []
        for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or ()):  # noqa: B905 (Python 3.9)
            try:
                held.append((name, cell.cell_contents))
            except ValueError:
                continue
        return held
    held = list(getattr(thing, "__dict__", {}).items())
    # A method of the object itself leads back to the object.
    return [(name, value) for name, value in held if getattr(value, "__self__", None) is not thing]
