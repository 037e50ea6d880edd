"""What the kernel tells every account about a process, in /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """A process. ``start`` tells it from a later one with the same number; ``memory`` are its own bytes."""

    pid: int
    parent: int
    start: int
    user: int
    title: str
    cpu_seconds: float
    memory: int


def read(pid: int, parent_pid: int = 0) -> Process | None:
    """Return what is known about a process; None when it is gone, or has another parent than ``parent_pid``."""
    folder = PROC / str(pid)
    try:
        # The program's name, in brackets, may have spaces and brackets in it. The fields count from the state on.
        fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        if len(fields) < 20 or fields[0] in (b"Z", b"X") or parent_pid not in (0, int(fields[1])):
            return None
        user = os.stat(folder).st_uid
        resident, shared = (int(field) for field in (folder / "statm").read_text().split()[1:3])
        title = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").partition(" ")[0]
    except (OSError, ValueError):
        return None
    cpu = (int(fields[11]) + int(fields[12])) / TICKS
    return Process(pid, int(fields[1]), int(fields[19]), user, title, cpu, (resident - shared) * PAGE)


def parent(pid_file: Path, program: str) -> int | None:
    """Return the process that Apache's pid file names, if it runs ``program``; None when Apache does not run."""
    try:
        pid = int(pid_file.read_text().strip())
        return pid if (PROC / str(pid) / "comm").read_text().strip() == program else None
    except (OSError, ValueError):
        return None


def children(pid: int) -> list[Process]:
    """Return the processes whose parent is ``pid``."""
    found = (read(int(name), pid) for name in os.listdir(PROC) if name.isdigit())
    return [process for process in found if process]
