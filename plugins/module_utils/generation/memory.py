"""The memory that a second generation of Apache needs, and the memory that the host has for it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS
from ansible_collections.grove.wsgi.plugins.module_utils.generation import limits
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes

GROUPS = Path("/sys/fs/cgroup")
"""Where the control groups are; with version 1, those of each controller have a folder of their own."""


def needed(pid: int, before: Mapping[str, int], after: Mapping[str, int]) -> int:
    """Return the bytes that a second generation takes beside the Apache whose parent is ``pid``, with some to spare.

    It takes what the running one takes. before, after: the applications of the running one and of the second one, each
    with the processes of a slot. A further process counts as one of its application, or as any one if it has none yet.
    """
    family = {one: processes.resident(one) for one in (pid, *processes.children(pid))}
    titles = {one: processes.command_line(one).partition(" ")[0] for one in family}
    daemons = {name: [f"{colour[0]}-{name}" for colour in COLOURS] for name in {*before, *after}}
    usual = _mean(size for one, size in family.items() if any(titles[one] in names for names in daemons.values()))
    more = 0.0
    for name, count in after.items():
        own = [size for one, size in family.items() if titles[one] in daemons[name]]
        more += max(0, count - before.get(name, 0)) * len(COLOURS) * (_mean(iter(own)) or usual)
    return sum(family.values()) + int(more) + limits.SPARE_BYTES


def available(pid: int) -> int:
    """Return the bytes that new processes can have: on the host, and in the control groups of ``pid``."""
    text = (processes.PROC / "meminfo").read_text()
    match = re.search(r"(?m)^MemAvailable:\s+(\d+) kB", text)
    free = [int(match.group(1)) * 1024] if match else []
    for folder in _groups(pid):
        with contextlib.suppress(OSError, ValueError, KeyError):
            free.append(_free_in_group(folder))
    return max(0, min(free, default=0))


def _groups(pid: int) -> Iterator[Path]:
    """Yield the folders of the groups of ``pid``, with those above them. In a container some are not there."""
    for line in (processes.PROC / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root = GROUPS / "memory" if controllers else GROUPS
        group = root / path.strip("/")
        yield from (one for one in (group, *group.parents) if one.is_relative_to(root))


def _free_in_group(folder: Path) -> int:
    """Return what a group's limit leaves, with the files that the kernel would give up.

    Raises ValueError for a group without a limit, and OSError or KeyError for a folder that is no group.
    """
    kept = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    names = [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")]
    most, now = next(pair for pair in names if (folder / pair[0]).exists() or pair == names[-1])
    used = int((folder / now).read_text()) - int(kept.get("total_inactive_file") or kept["inactive_file"])
    return int((folder / most).read_text()) - used


def _mean(sizes: Iterator[int]) -> float:
    every = list(sizes)
    return sum(every) / len(every) if every else 0.0
