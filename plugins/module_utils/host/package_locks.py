"""Who keeps the packages of a Debian host locked."""

from __future__ import annotations

import fcntl
import os
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.module_utils.host import limits, processes

LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)
"""The files that apt and dpkg lock, as fcntl_locking(2) describes it."""
FLOCK = "hhqqi"
"""struct flock: type, whence, start, length, process."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lock: the lock's path, the process id (0 where it cannot be seen), and its program."""

    path: str
    pid: int
    program: str


def holder(paths: Iterable[str] = LOCKS) -> Holder | None:
    """Return the process that holds the first lock that is held; None when all are free."""
    question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            kind, _, _, _, pid = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, question))
        finally:
            os.close(descriptor)
        if kind != fcntl.F_UNLCK:
            return Holder(path, pid, processes.program(pid) if pid > 0 else "")
    return None


def wait(seconds: float, paths: Iterable[str] = LOCKS) -> Holder | None:
    """Wait until all locks are free, but not longer than ``seconds``; return who holds one then."""
    every = tuple(paths)
    end = time.monotonic() + seconds
    while (found := holder(every)) and time.monotonic() < end:
        time.sleep(limits.PACKAGE_LOCK_PAUSE_SECONDS)
    return found
