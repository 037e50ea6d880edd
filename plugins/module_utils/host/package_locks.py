"""Who keeps the packages of a Debian host locked.

``./grove`` runs this file before Ansible is there. Then it waits until all locks are free, and says for whom.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
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

    def __str__(self) -> str:
        process = f"{self.program} (process {self.pid})" if self.pid else "a program outside the host"
        return f"{process}, which holds {self.path}"


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


def timeout_text(host: str, holding: Holder) -> str:
    """Return the message of a run that has waited in vain."""
    look = f" look at what it does (ps -o pid,etime,args -p {holding.pid}), and" if holding.pid else ""
    return (
        f"no package was installed on {host}: {limits.PACKAGE_LOCK_SECONDS} s passed in waiting for"
        f" {holding};{look} run again when it has ended"
    )


def main(paths: Iterable[str] = LOCKS, seconds: float = limits.PACKAGE_LOCK_SECONDS) -> None:
    """Wait until all locks are free. Raises SystemExit with a message when they are not after ``seconds``."""
    every = tuple(paths)
    end = time.monotonic() + seconds
    named, pause = None, 0.0
    while (found := wait(pause, every)) and (left := end - time.monotonic()) > 0:
        if found != named:
            print(f"grove: waiting for {found}, at most {left:.0f} s", file=sys.stderr, flush=True)
        named, pause = found, limits.PACKAGE_LOCK_PAUSE_SECONDS
    if found:
        sys.exit(f"grove: {timeout_text('this machine', found)}")


if __name__ == "__main__":
    main()
