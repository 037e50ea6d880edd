"""The slots of this host's applications, and what they run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import requests

COLOURS = ("blue", "green")
MAP_LINE = re.compile(r"^live\s+(\S+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Slot:
    """A slot, and what it may have: so many processes of the account ``user``, with so many threads each."""

    app: str
    slot: str
    user: int
    processes: int
    threads: int

    @property
    def group(self) -> str:
        return f"{self.app}-{self.slot}"

    @property
    def title(self) -> str:
        """The title of its processes, which mod_wsgi may cut."""
        return f"{self.slot[0]}-{self.app}"


def slots(configured: Iterable[requests.Configured]) -> list[Slot]:
    """Return the slots of applications."""
    return [Slot(one.app, slot, one.user, one.processes, one.threads) for one in configured for slot in COLOURS]


def release(base: Path, slot: Slot) -> str:
    """Return the id of the release that a slot points to; empty where it points to none."""
    try:
        return os.path.basename(os.readlink(base / slot.app / "slots" / slot.slot))
    except OSError:
        return ""


def shares(base: Path, app: str) -> list[str]:
    """Return the slots in an application's slot map, of which each gets an equal share. The first one is live.

    Empty before the first deployment, and for a map that names something else.
    """
    try:
        match = MAP_LINE.search((base / app / "slot.map").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []
    names = [each.rpartition("-")[2] for each in match.group(1).split("|")] if match else []
    return names if set(names) <= set(COLOURS) else []
