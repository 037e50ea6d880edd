"""Paste: URL maps, cascades, and the names and factories that PasteDeploy read from its configuration."""

from __future__ import annotations

import contextlib
from typing import Any

from .parts import Answer, Code, Node, Request, code_of
from .walking import Reader, Walk


def is_a(thing: Any, module: str, name: str) -> bool:
    """Return whether the class ``module.name`` is a base of the type of ``thing``, without an import."""
    return any(base.__name__ == name and base.__module__ == module for base in type(thing).__mro__)


class Names:
    """Notes PasteDeploy's names while it loads an application.

    ``named`` gets a name and a factory for the id of each object that PasteDeploy makes. A filter may return the
    application itself; the object then has several names.
    """

    def __init__(self) -> None:
        self.named: dict[int, list[tuple[str, Code]]] = {}
        # Objects that exist keep their ids to themselves.
        self._kept: list[Any] = []

    def install(self) -> None:
        """Watch PasteDeploy in this process from now on; do nothing where it is not installed."""
        with contextlib.suppress(ImportError):
            from paste.deploy import loadwsgi

            create = loadwsgi.LoaderContext.create

            def noting(context: Any) -> Any:
                made = create(context)
                if context.object_type is loadwsgi.FILTER:
                    return self._filter(context, made)
                if context.object is not None:
                    self._add(context, made)
                return made

            find = loadwsgi.ConfigLoader.get_context

            def naming(loader: Any, object_type: Any, name: Any = None, global_conf: Any = None) -> Any:
                context = find(loader, object_type, name, global_conf)
                context.name = name if name and ":" not in name else getattr(context, "name", None) or "main"
                return context

            loadwsgi.LoaderContext.create = noting
            loadwsgi.ConfigLoader.get_context = naming

    def _filter(self, context: Any, made: Any) -> Any:
        """Return the filter ``made`` so that the application that it makes gets the filter's name."""

        def apply(application: Any) -> Any:
            filtered = made(application)
            self._add(context, filtered)
            return filtered

        return apply

    def _add(self, context: Any, thing: Any) -> None:
        entry = (str(getattr(context, "name", "main")), code_of(context.object))
        names = self.named.setdefault(id(thing), [])
        if entry not in names:
            names.append(entry)
        self._kept.append(thing)


class UrlMap(Reader):
    """``paste.urlmap.URLMap``, and the classes of services that are derived from it."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "paste.urlmap", "URLMap")

    def node(self, thing: Any, walk: Walk) -> Node:
        children = []
        for (domain, prefix), application in thing.applications:
            child = walk.node(application, prefix or "/")
            if domain:
                child.notes.append(f"for the host {domain}")
            children.append(child)
        return Node("urlmap", code=code_of(thing), children=children)

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        walk.note("urlmap", walk.title(thing), code_of(thing))
        host = next((value for name, value in request.headers if name.lower() == "host"), "localhost").lower()
        for (domain, prefix), application in thing.applications:
            if domain and domain not in (host, host.partition(":")[0]):
                continue
            mounted_at = _mounted_at(prefix, request.path, nova=type(thing).__module__.startswith("nova."))
            if mounted_at is not None:
                walk.note("mount", prefix or "/")
                return walk.explain(application, request.below(mounted_at))
        return Answer("refused", "no entry of the URL map has this path", code_of(thing), status=404)


def _mounted_at(prefix: str, path: str, *, nova: bool) -> str | None:
    """Return the path at which an entry of a URL map mounts its application for ``path``; None where it does not.

    An entry of nova that ends with ``/+`` is for paths with something after the slash.
    """
    if nova and prefix.endswith("/+"):
        return prefix[:-2] if path.startswith(prefix[:-1]) and len(path) >= len(prefix) else None
    return prefix if path == prefix or path.startswith(prefix + "/") else None


class Cascade(Reader):
    """``paste.cascade.Cascade``."""

    def reads(self, thing: Any) -> bool:
        return is_a(thing, "paste.cascade", "Cascade")

    def node(self, thing: Any, walk: Walk) -> Node:
        codes = ", ".join(str(code) for code in sorted(thing.catch_codes))
        children = [walk.node(application) for application in thing.apps]
        return Node(
            "cascade", code=code_of(thing), children=children, notes=[f"asks the next application after {codes}"]
        )

    def explain(self, thing: Any, request: Request, walk: Walk) -> Answer:
        walk.note("cascade", walk.title(thing), code_of(thing))
        answer = Answer("refused", "the cascade has no application", code_of(thing), status=404)
        for application in thing.apps:
            answer = walk.explain(application, request)
            if answer.kind != "refused" or answer.status not in thing.catch_codes:
                return answer
            walk.note("cascade", f"{answer.status}: {answer.text}; the next application is asked")
        return answer
