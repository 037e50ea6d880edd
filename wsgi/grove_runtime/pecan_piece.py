"""A change of Pecan or WebOb that saves time: the functions that it needs, and what it puts in their place."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

_log = logging.getLogger(__name__)

_ABSENT: Any = object()


class Replacement(NamedTuple):
    """A name in a module or a class, and its new value."""

    owner: Any
    name: str
    value: Any


class Piece:
    """A change that can be installed and undone. It is for one thread: a process installs it before it serves."""

    def __init__(self, title: str, known: Mapping[str, str], build: Callable[[], Iterable[Replacement]]) -> None:
        """``title`` is for the log. ``known`` maps functions (``MODULE:NAME``) to the `source_hash` that they need.

        ``build`` makes the replacements. It may raise `UnknownError`.
        """
        self.title = title
        self.known = known
        self._build = build
        self._former: list[Replacement] | None = None

    def install(self) -> bool:
        """Put the replacements in place; return whether they are in place.

        Logs one warning and changes nothing if Pecan is not installed, or if a function is not the known one.
        """
        if self._former is not None:
            return True
        try:
            for path, expected in self.known.items():
                if source_hash(find(path)) != expected:
                    raise UnknownError(f"{path} is not the function that this was written for")
            replacements = list(self._build())
        except (ImportError, UnknownError) as error:
            _log.warning("%s is left as it is: %s", self.title, str(error))
            return False
        self._former = [Replacement(owner, name, vars(owner).get(name, _ABSENT)) for owner, name, _ in replacements]
        _set(replacements)
        return True

    def former(self, owner: Any, name: str) -> Any:
        """Return the value that `install` has replaced."""
        return next(former.value for former in self._former or () if former[:2] == (owner, name))

    def uninstall(self) -> None:
        """Undo `install`."""
        if self._former is not None:
            _set(reversed(self._former))
            self._former = None


class UnknownError(Exception):
    """Something differs from what a piece was written for."""


def find(path: str) -> Any:
    """Return the function ``MODULE:NAME``. A property's functions end in ``.fget``, ``.fset`` and ``.fdel``.

    Raises ImportError if the module does not exist, and `UnknownError` if the name does not.
    """
    module, _, names = path.partition(":")
    value: Any = importlib.import_module(module)
    try:
        for name in names.split("."):
            value = getattr(value, name) if isinstance(value, property) else inspect.getattr_static(value, name)
    except AttributeError:
        raise UnknownError(f"{path} does not exist") from None
    return getattr(value, "__func__", value)


def source_hash(function: Any) -> str:
    """Return a hash of the source text of a Python function. Raises `UnknownError` if there is no such text."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise UnknownError(f"{function!r} has no source: {error}") from None
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _set(replacements: Iterable[Replacement]) -> None:
    for owner, name, value in replacements:
        if value is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, value)
