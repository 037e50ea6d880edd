"""Makes the WSGI application of a release with a function of a package."""

from __future__ import annotations

import importlib
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grove_runtime import launch


def make(release: str, function: str, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Callable[..., Any]:
    """Return what ``function`` (``package.module:function``) returns for the arguments.

    ``release`` is the release's folder. The placeholders ``{etc}``, ``{release}``, ``{state}`` and ``{logs}`` in texts
    stand for its folders.
    Raises TypeError when the result is no WSGI application, and what the import and the function raise.
    """
    expand = launch.Release.read(release).expand
    module, _, attribute = function.partition(":")
    called = operator.attrgetter(attribute)(importlib.import_module(module))
    application = called(*_expanded(arguments, expand), **_expanded(keywords, expand))
    if not callable(application):
        kind = type(application).__name__
        raise TypeError(f"key entry: {function} returned {kind}, which is no WSGI application: it cannot be called")
    return application  # type: ignore[no-any-return]


def _expanded(value: Any, expand: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return expand(value)
    if isinstance(value, Mapping):
        return {_expanded(key, expand): _expanded(item, expand) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_expanded(item, expand) for item in value)
    return value
