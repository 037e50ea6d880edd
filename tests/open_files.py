"""Which open files of a daemon process are its own, as root sees them in /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/")


@dataclass(frozen=True)
class OpenFiles:
    """The targets of the open files of a server's processes, by the processes' ids in this /proc and by numbers."""

    by_process: Mapping[int, Mapping[int, str]]

    @classmethod
    def read(cls, pids: Iterable[int]) -> OpenFiles:
        """Read the open files of the processes ``pids``; those that have ended have none."""
        return cls({pid: _open_files(pid) for pid in pids})

    def log_pipes(self) -> dict[str, str]:
        """Return the pipes that rotatelogs reads, by the names of the logs."""
        pipes = {}
        for pid, files in self.by_process.items():
            words = _command_line(pid)
            if words[0].endswith("rotatelogs") and "-L" in words:
                pipes[os.path.basename(words[words.index("-L") + 1])] = files.get(0, "")
        return pipes

    def unexplained(self, pid: int, uid: int, error_log: str, folders: tuple[str, ...]) -> list[str]:
        """Return the open files of a daemon process that nothing explains, as text.

        ``uid`` is the account's number in the process's own namespace. ``error_log`` is the name of the application's
        error log. ``folders`` are the application's own, each with a slash at the end.
        """
        held = self.by_process[pid]
        log = self.log_pipes().get(error_log)
        others = {target for other, files in self.by_process.items() if other != pid for target in files.values()}
        sockets = _unix_sockets(pid)
        # What the process reads about itself for a moment, as the thread does that tells the metrics.
        own_proc = tuple(f"/proc/{number}/" for number in _own_numbers(pid))

        def explained(number: int, target: str) -> bool:
            if target == "/dev/null" or target.startswith((*folders, *own_proc)):
                return True
            if target.endswith(" (deleted)") and target.startswith(TEMPORARY) and target not in others:
                # A temporary file without a name, as for a large body: the account made it.
                return _owner(pid, number) == os.stat(PROC / str(pid)).st_uid
            if target.startswith("pipe:"):
                # The application's own error log; or a pipe of this process alone, by which it gets its signals.
                return target == log or (target not in others and list(held.values()).count(target) == 2)
            if target.startswith("socket:"):
                # The socket of the process's own group has a name, which its accepted connections have, too.
                path = sockets.get(target[len("socket:[") : -1], "")
                is_own = re.search(rf"/wsgi\.\d+\.u{uid}\.\d+\.sock$", path)
                return is_own is not None or (not path and target not in others)
            if target.startswith("anon_inode:"):
                return target in ("anon_inode:[eventpoll]", "anon_inode:[eventfd]")
            # The lock with which the processes of the group take turns.
            return re.search(r"/wsgi\.\d+\.\d+\.\d+\.lock \(deleted\)$", target) is not None

        return [f"{number} -> {target}" for number, target in held.items() if not explained(number, target)]


def _open_files(pid: int) -> dict[int, str]:
    files: dict[int, str] = {}
    try:
        names = os.listdir(PROC / str(pid) / "fd")
    except OSError:
        return files
    for name in names:
        try:
            files[int(name)] = os.readlink(PROC / str(pid) / "fd" / name)
        except OSError:
            continue
    return files


def _owner(pid: int, number: int) -> int | None:
    try:
        return os.stat(PROC / str(pid) / "fd" / str(number)).st_uid
    except OSError:
        return None


def _own_numbers(pid: int) -> list[str]:
    """Return the process's ids, in this namespace and in those below it."""
    try:
        status = (PROC / str(pid) / "status").read_text()
    except OSError:
        return []
    match = re.search(r"(?m)^NSpid:\s+(.*)$", status)
    return match.group(1).split() if match else []


def _command_line(pid: int) -> list[str]:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return [""]


def _unix_sockets(pid: int) -> dict[str, str]:
    rows = (line.split(maxsplit=7) for line in (PROC / str(pid) / "net" / "unix").read_text().splitlines()[1:])
    return {row[6]: row[7] for row in rows if len(row) == 8}
