"""The files of a source folder that a release gets, and what of the folder it does not get."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

# What version control and tools leave in a folder. No application needs it, so nobody is told.
LEFT_BY_TOOLS = frozenset(
    {
        *(".git", ".hg", ".svn", ".bzr", "__pycache__", ".venv", ".tox", ".nox", ".coverage"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".idea", ".vscode", ".DS_Store"),
    }
)
# The longest list of names that a message shows.
MOST_SHOWN = 5


@dataclass(frozen=True)
class File:
    """A file: its path below the folder with slashes, where its content is, and whether it is executable."""

    name: str
    origin: Path
    executable: bool


@dataclass
class SourceFiles:
    """Reads ``folder`` without what the patterns ``exclude`` match; see ``matches``.

    ``inventories`` are the real paths of inventories, which may hold secrets: they are left out, also where a link
    leads to them. Links are followed inside the folder. Links that lead out of it are left out, and so are links that
    lead nowhere, sockets, pipes and devices. After ``read``, ``excluded``, ``of_inventories``, ``leading_out`` and
    ``no_files`` hold the paths of what was left out for these four reasons.
    """

    folder: Path
    exclude: Collection[str] = ()
    inventories: Collection[str] = ()
    excluded: list[str] = field(default_factory=list)
    of_inventories: list[str] = field(default_factory=list)
    leading_out: list[str] = field(default_factory=list)
    no_files: list[str] = field(default_factory=list)

    def read(self) -> Iterator[File]:
        """Yield the files.

        Raises ValueError for a link that leads round in a circle and for a name that is not UTF-8, and OSError.
        """
        top = self.folder.resolve()
        for current, folders, files in os.walk(top, followlinks=True, onerror=_raised):
            folders[:] = sorted(name for name in folders if self._is_wanted(Path(current, name), top))
            for name in sorted(files):
                path = Path(current, name)
                if not name.endswith((".pyc", ".pyo")) and self._is_wanted(path, top):
                    if not path.is_file():
                        self.no_files.append(path.relative_to(top).as_posix())
                        continue
                    executable = bool(path.stat().st_mode & stat.S_IXUSR)
                    yield File(path.relative_to(top).as_posix(), path, executable)

    def warnings(self) -> Iterator[str]:
        """Yield in words what was left out."""
        if self.excluded:
            yield f"left out of the source, as the key exclude says: {_shown(self.excluded)}"
        if self.of_inventories:
            names = _shown(self.of_inventories)
            yield f"left out of the source, because it belongs to the inventory, which may hold secrets: {names}"
        if self.leading_out:
            yield f"left out of the source, because these links lead out of it: {_shown(self.leading_out)}"
        if self.no_files:
            names = _shown(self.no_files)
            yield f"left out of the source, because these are links to nothing, sockets, pipes or devices: {names}"

    def _is_wanted(self, path: Path, top: Path) -> bool:
        name = path.relative_to(top).as_posix()
        if path.name in LEFT_BY_TOOLS or path.name.endswith(".egg-info"):
            return False
        inventories = map(Path, self.inventories)
        if any(matches(name, pattern) for pattern in self.exclude):
            self.excluded.append(name)
            return False
        try:
            name.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(name).decode("utf-8", "backslashreplace")
            remedy = "rename it, or leave it out with the key exclude"
            raise ValueError(f"a file called {shown}, whose name is not UTF-8; {remedy}") from None
        if any(top in inventory.parents and path.resolve().is_relative_to(inventory) for inventory in inventories):
            self.of_inventories.append(name)
            return False
        if path.is_symlink():
            target = path.resolve()
            if not target.is_relative_to(top):
                self.leading_out.append(name)
                return False
            if path.is_relative_to(target):
                raise ValueError(f"{path} is a link to a folder that it is in itself; remove it")
        return True


def matches(name: str, pattern: str) -> bool:
    """Return whether a path below the folder matches a pattern.

    ``*``, ``?`` and ``[…]`` match inside a name, ``**`` matches any number of folders. A pattern with a slash is
    matched against the whole path, another one against the last name. ``/build`` is build at the top alone.
    """
    if "/" not in pattern.rstrip("/"):
        return fnmatchcase(name.rpartition("/")[2], pattern.rstrip("/"))
    return _match(name.split("/"), pattern.strip("/").split("/"))


def excluding(name: str, patterns: Collection[str]) -> str:
    """Return the first pattern that leaves out a path or a folder that it is in; empty where none does."""
    parts = os.path.normpath(name).split("/")
    paths = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return next((pattern for pattern in patterns if any(matches(path, pattern) for path in paths)), "")


def _match(names: list[str], patterns: list[str]) -> bool:
    if not patterns or not names:
        return not names and all(pattern == "**" for pattern in patterns)
    if patterns[0] == "**":
        return _match(names, patterns[1:]) or _match(names[1:], patterns)
    return fnmatchcase(names[0], patterns[0]) and _match(names[1:], patterns[1:])


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
    return ", ".join(sorted(names)[:MOST_SHOWN]) + more


def _raised(error: OSError) -> None:
    raise error
