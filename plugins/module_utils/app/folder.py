"""The folder of one application on its host: releases, slots, and the map that says which slot is live."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import re
import shutil
import stat
from collections.abc import Iterator, Set
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import limits
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_link, replace_text

COLOURS = ("blue", "green")
MAP_LINE = re.compile(r"^live\s+(\S+)\s*$", re.MULTILINE)


class FolderError(OperatorError):
    """The folder cannot be worked on; the message says what it holds, or who is at work on it."""


@dataclass(frozen=True)
class AppFolder:
    """The folder ``path`` of the application ``name``. Making one reads nothing; its methods do."""

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

    @property
    def preload(self) -> Path:
        """The file with the colours whose processes load their release when they start, though they are not live."""
        return self.path / "preload"

    @property
    def agents(self) -> Path:
        """The folder with a link for each agent, to the release that it runs."""
        return self.path / "agents"

    def release(self, identifier: str) -> Path:
        return self.releases / identifier

    def slot(self, colour: str) -> Path:
        return self.path / "slots" / colour

    def live(self) -> str | None:
        """Return the live slot's colour; None before the first deployment.

        Raises FolderError when the map exists and does not name one.
        """
        shares = self.shares()
        return shares[0] if shares else None

    def shares(self) -> list[str]:
        """Return the colours in the slot map, of which each gets an equal share of the requests. The first one is live.

        Empty before the first deployment. Raises FolderError when the map exists and does not name slots.
        """
        try:
            text = self.slot_map.read_text()
        except FileNotFoundError:
            return []
        match = MAP_LINE.search(text)
        groups = match.group(1).split("|") if match else []
        colours = {f"{self.name}-{colour}": colour for colour in COLOURS}
        if not groups or not set(groups) <= set(colours):
            expected = f"it has to be 'live {self.name}-blue' or '-green'"
            raise FolderError(f"{self.slot_map} holds {text.strip()[:80]!r}; {expected}")
        return [colours[group] for group in groups]

    def canary_share(self) -> float:
        """Return the percentage of the requests that the idle slot takes; 0.0 without a canary."""
        shares = self.shares()
        return round(100 * sum(colour != shares[0] for colour in shares) / len(shares), 2) if shares else 0.0

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
        replace_link(self.slot(colour), f"../releases/{identifier}")

    def agent_releases(self) -> dict[str, str]:
        """Return the ids of the releases that agents run from their next start on."""
        links = self.agents.iterdir() if self.agents.is_dir() else ()
        return {link.name: os.path.basename(os.readlink(link)) for link in links if link.is_symlink()}

    def point_agent(self, name: str, identifier: str) -> None:
        """Let an agent run a release from its next start on."""
        self.agents.mkdir(mode=0o755, exist_ok=True)
        replace_link(self.agents / name, f"../releases/{identifier}")

    def flip(self, colour: str) -> None:
        """Send the traffic to a slot, by one rename."""
        replace_text(self.slot_map, f"live {self.name}-{colour}\n", mode=0o644)

    def share_out(self, colour: str, percent: int) -> float:
        """Keep the slot ``colour`` live, and give the other slot ``percent`` of the requests, from 1 to 99.

        Returns the percentage that it got, which may differ a little: the length of the map's line is limited.
        """
        other = other_than(colour)
        longest = max(2, (limits.MAP_LINE_CHARACTERS - len("live ")) // (len(f"{self.name}-green|")))
        share = Fraction(percent, 100).limit_denominator(longest)
        share = min(max(share, Fraction(1, longest)), Fraction(longest - 1, longest))
        colours = [colour] * (share.denominator - share.numerator) + [other] * share.numerator
        line = "|".join(f"{self.name}-{each}" for each in colours)
        replace_text(self.slot_map, f"live {line}\n", mode=0o644)
        return round(100 * float(share), 2)

    def preloaded(self) -> set[str]:
        """Return the colours in the file ``preload``."""
        try:
            return set(self.preload.read_text().split()) & set(COLOURS)
        except FileNotFoundError:
            return set()

    def set_preloaded(self, colours: set[str]) -> bool:
        """Write the file ``preload``; return whether that was a change."""
        if colours == self.preloaded():
            return False
        if colours:
            replace_text(self.preload, " ".join(sorted(colours)) + "\n", mode=0o644)
        else:
            self.preload.unlink(missing_ok=True)
        return True

    def prune(self, keep: int, never_good: Set[str] = frozenset()) -> list[str]:
        """Remove old releases that no slot and no agent runs, and virtualenvs that no release uses.

        The ``keep`` newest of them stay, but for releases in ``never_good``. Returns the ids of the removed releases.
        """
        running = {self.release_of(colour) for colour in COLOURS} | set(self.agent_releases().values())
        complete = [path for path in self.releases.iterdir() if not path.name.startswith(".")]
        spare = [path for path in complete if path.name not in running]
        spare.sort(key=lambda path: (path.name in never_good, -path.stat().st_mtime))
        keep = min(keep, sum(path.name not in never_good for path in spare))
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
        with open(self.path / ".lock", "a") as handle:
            os.fchmod(handle.fileno(), 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = f"another deployment of {self.name} is at work on this host; wait for it to end"
                raise FolderError(text) from None
            yield


def other_than(colour: str) -> str:
    """Return the other slot's colour."""
    return COLOURS[1] if colour == COLOURS[0] else COLOURS[0]


def make_account_folder(path: Path, account: pwd.struct_passwd | None, mode: int, *, dry: bool = False) -> bool:
    """Make a folder of the account with the permissions ``mode``; return whether that is a change.

    ``account`` is None in a dry run before the account was made; then the result is true. Raises FolderError for a
    symbolic link of somebody else than root, which root must not follow, and OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        if path.is_symlink() and path.lstat().st_uid != 0:
            raise FolderError(f"{path} is a symbolic link that root has not made, and is not followed; remove it")
        actual = path.stat()
        if account:
            expected = (stat.S_IFDIR | mode, account.pw_uid, account.pw_gid)
            if (actual.st_mode, actual.st_uid, actual.st_gid) == expected:
                return False
    if account and not dry:
        path.mkdir(parents=True, exist_ok=True)
        followed = 0 if path.is_symlink() and path.lstat().st_uid == 0 else os.O_NOFOLLOW
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | followed)
        try:
            os.fchown(handle, account.pw_uid, account.pw_gid)
            os.fchmod(handle, mode)
        finally:
            os.close(handle)
    return True
