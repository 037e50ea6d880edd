"""The room that a host has for applications: disk, inodes and memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.doctor import limits
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import Finding, ok, problem, warning

MEGABYTE = 1 << 20


def existing(path: str) -> str:
    """Return a path, or the nearest folder above it that exists."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def disks(paths: Iterable[str], new_apps: int) -> Iterator[Finding]:
    """Examine the file systems of folders, each once. new_apps: applications that are not on the host yet."""
    by_device: dict[int, list[str]] = {}
    for path in paths:
        by_device.setdefault(os.stat(existing(path)).st_dev, []).append(path)
    for folders in by_device.values():
        status = os.statvfs(existing(folders[0]))
        free = status.f_bavail * status.f_frsize // MEGABYTE
        # A file system such as btrfs makes inodes when it needs them, and has the number 0.
        inodes = status.f_favail if status.f_files else None
        yield disk(", ".join(folders), free, inodes, new_apps)


def disk(name: str, free: int, inodes: int | None, new_apps: int) -> Finding:
    """Examine free megabytes and inodes of a file system. ``inodes`` is None where their number has no limit."""
    needed = limits.BASE_DISK + limits.APP_DISK * new_apps if new_apps else limits.LEAST_DISK * 2
    inodes_needed = limits.APP_INODES if new_apps else limits.LEAST_INODES * 2
    count = "" if inodes is None else f" and {inodes} inodes"
    actual = f"{free} MB{count} free in {name}"
    remedy = f'du -xm {name.split(", ")[0]} | sort -n | tail, and docs/runbook.md, "A disk is full"'
    if free < limits.LEAST_DISK or (inodes is not None and inodes < limits.LEAST_INODES):
        expected = f"{limits.LEAST_DISK} MB and {limits.LEAST_INODES} inodes at the least"
        return problem("disk", actual, expected, remedy)
    if free < needed or (inodes is not None and inodes < inodes_needed):
        expected = f"{needed} MB and {inodes_needed} inodes for what the records need"
        return warning("disk", actual, expected, remedy)
    return ok("disk", f"{actual}; about {needed} MB are needed")


def available(meminfo: str = "/proc/meminfo") -> int:
    """Return the megabytes of memory that programs may still take."""
    lines = (line.split() for line in Path(meminfo).read_text().splitlines())
    return next(int(fields[1]) // 1024 for fields in lines if fields[0] == "MemAvailable:")


def memory(free: int, whole: int, new_processes: int) -> Finding:
    """Examine megabytes of memory, those that are free and those of the host.

    new_processes: daemon processes of applications that do not run yet.
    """
    needed = limits.LEAST_MEMORY + limits.PROCESS_MEMORY * new_processes
    actual = f"{min(free, whole)} of {whole} MB available"
    if min(free, whole) < limits.LEAST_MEMORY:
        remedy = 'ps -eo rss,pid,user,args --sort=-rss | head, and docs/runbook.md, "An app leaks memory"'
        return problem("memory", actual, f"{limits.LEAST_MEMORY} MB at the least", remedy)
    if min(free, whole) < needed:
        remedy = "give records fewer processes, or the host more memory"
        return warning("memory", actual, f"about {needed} MB, for {new_processes} new processes", remedy)
    return ok("memory", f"{actual}; about {needed} MB are needed")
