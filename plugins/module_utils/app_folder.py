"""The folder of one application on its host: releases, slots, and the map that says which slot is live."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLOURS = ("blue", "green")
MAP_LINE = re.compile(r"^live\s+(\S+)-(blue|green)\s*$", re.MULTILINE)


class FolderError(Exception):
    """The folder is not as it has to be; the message says what was found."""


@dataclass(frozen=True)
class AppFolder:
    """The folder ``path`` of the application ``name``; nothing is read until it is asked for."""

    name: str
    path: Path

    @property
    def releases(self) -> Path:
        return self.path / "releases"

    @property
    def virtualenvs(self) -> Path:
        return self.path / "venvs"

    @property
    def slot_map(self) -> Path:
        return self.path / "slot.map"

    def release(self, identifier: str) -> Path:
        return self.releases / identifier

    def slot(self, colour: str) -> Path:
        return self.path / "slots" / colour

    def live(self) -> str | None:
        """Return the live slot's colour; None before the first deployment.

        Raises FolderError when the map exists and does not name one.
        """
        try:
            text = self.slot_map.read_text()
        except FileNotFoundError:
            return None
        found = MAP_LINE.search(text)
        if found is None or found.group(1) != self.name:
            right = f"it has to be 'live {self.name}-blue' or '-green'"
            raise FolderError(f"{self.slot_map} holds {text.strip()!r}; {right}")
        return found.group(2)

    def release_of(self, colour: str) -> str | None:
        """Return the id of the release that a slot points to; None when it points to none."""
        try:
            return os.path.basename(os.readlink(self.slot(colour)))
        except OSError:
            return None

    def describe(self, identifier: str) -> dict[str, Any] | None:
        """Return what RELEASE.json says of a release; None when the release is not there or not complete."""
        try:
            content = json.loads((self.release(identifier) / "RELEASE.json").read_text())
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) and content.get("id") == identifier else None

    def point(self, colour: str, identifier: str) -> None:
        """Let a slot run a release from its next process start on."""
        self.slot(colour).parent.mkdir(mode=0o755, exist_ok=True)
        _link(self.slot(colour), f"../releases/{identifier}")

    def flip(self, colour: str) -> None:
        """Send the traffic to a slot: the one moment in which it changes hands."""
        replace_text(self.slot_map, f"live {self.name}-{colour}\n", mode=0o644)

    def prune(self, keep: int) -> list[str]:
        """Remove the oldest releases beyond ``keep`` that no slot runs, and virtualenvs that no release uses.

        Returns the ids of the removed releases.
        """
        running = {self.release_of(colour) for colour in COLOURS}
        complete = [path for path in self.releases.iterdir() if not path.name.startswith(".")]
        spare = [path for path in complete if path.name not in running]
        spare.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        removed = []
        for path in spare[keep:]:
            shutil.rmtree(path)
            removed.append(path.name)
        used = {os.path.basename(os.path.realpath(path / "dependencies")) for path in self.releases.iterdir()}
        if self.virtualenvs.is_dir():
            for path in self.virtualenvs.iterdir():
                if path.name not in used and not path.name.startswith("."):
                    shutil.rmtree(path)
        return removed

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the application's lock on this host.

        Raises FolderError when another process holds it.
        """
        self.path.mkdir(mode=0o751, parents=True, exist_ok=True)
        with open(self.path / ".lock", "w") as handle:
            os.fchmod(handle.fileno(), 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = f"another deployment of {self.name} is at work on this host; wait for it to end"
                raise FolderError(text) from None
            yield


def replace_text(path: Path, text: str, mode: int) -> None:
    """Write ``text`` to ``path`` by rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.replace(path)


def _link(path: Path, target: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    temporary.replace(path)
