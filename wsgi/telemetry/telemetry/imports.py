"""Controls what libraries import, so that a process does not load code that it never runs."""

import contextlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def pretend_missing(*packages: str) -> Iterator[None]:
    """Make imports of these packages fail within the block, as if they were not installed.

    A package that is loaded already stays importable.
    """
    hidden = [name for name in packages if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    # The import system raises ModuleNotFoundError for a name that is None in sys.modules.
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]


def lazy_entry_points(group: str) -> dict[str, Callable[..., Any]]:
    """Return the entry points of a group by name. Each is a callable that imports its own code at its first call."""

    def lazy(point: importlib.metadata.EntryPoint) -> Callable[..., Any]:
        return lambda *arguments: point.load()(*arguments)

    return {point.name: lazy(point) for point in importlib.metadata.entry_points(group=group)}
