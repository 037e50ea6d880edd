"""Keeps out of a process what libraries load and this program never uses."""

import contextlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def hidden(*packages: str) -> Iterator[None]:
    """Let imports in the block fail for packages that are not loaded yet, as if they were not installed."""
    names = [name for name in packages if name not in sys.modules]
    modules: dict[str, Any] = sys.modules
    modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            del modules[name]


def loaded_when_called(group: str) -> dict[str, Callable[..., Any]]:
    """Return the entry points of a group by name, as callables each of which loads its own at its first call."""

    def later(point: importlib.metadata.EntryPoint) -> Callable[..., Any]:
        return lambda *arguments: point.load()(*arguments)

    return {point.name: later(point) for point in importlib.metadata.entry_points(group=group)}
