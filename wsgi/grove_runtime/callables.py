"""Says of what an entry names whether it can be a WSGI application, before a request finds out."""

from __future__ import annotations

import inspect


class EntryError(ImportError):
    """The entry names what is no WSGI application."""


def check(application: object) -> None:
    """Raise EntryError, with what would be right, for an object that cannot be called as WSGI calls applications."""
    kind = type(application)
    if not callable(application):
        raise EntryError(f"entry: found an object of the class {kind.__qualname__}, which cannot be called")
    is_named = inspect.isroutine(application) or inspect.isclass(application)
    if inspect.iscoroutinefunction(application if is_named else kind.__call__):
        raise EntryError(
            f"entry: found {_name(application)}, an ASGI application; Apache serves WSGI. a2wsgi.ASGIMiddleware makes"
            " one of the other, for an application that answers requests alone, without websockets"
        )
    try:
        signature = inspect.signature(application)
    except (TypeError, ValueError):
        # Not every function that is written in C tells.
        return
    try:
        signature.bind({}, None)
    except TypeError:
        name = _name(application)
        raise EntryError(
            f"entry: found {name}{signature}, and a WSGI application takes environ and start_response. If the call"
            f" returns the application, write {name}() with its arguments"
        ) from None


def _name(application: object) -> str:
    """Return the name of a function or class as an entry has it; of another object, that of its class."""
    if inspect.isroutine(application) or inspect.isclass(application):
        return f"{application.__module__}:{application.__qualname__}"
    return f"an object of {type(application).__module__}.{type(application).__qualname__}"
