"""Which open files of a daemon process are its own, as root sees them in /proc."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def unexplained(pid: int, uid: int, error_log: str, folders: tuple[str, ...] = ()) -> list[str]:
    """Return the open files of a daemon process that nothing explains, as text.

    ``pid`` is the number in this /proc, ``uid`` the account's number in the process's own namespace. ``error_log`` is
    the name of the application's error log, as it stands in the command line of the program that writes it. ``folders``
    are the application's own.
    """
    held = dict(open_files(pid))
    log = log_pipes().get(error_log)
    others = {target for other in _pids() if other != pid for _, target in open_files(other)}
    sockets = _unix_sockets(pid)
    return [
        f"{number} -> {target}"
        for number, target in held.items()
        if not (_explained(target, uid, log, held, others, sockets) or target.startswith(folders or "\0"))
    ]


def _explained(
    target: str, uid: int, log: str | None, held: dict[int, str], others: set[str], sockets: dict[str, str]
) -> bool:
    if target == "/dev/null":
        return True
    if target.startswith("pipe:"):
        # The application's own error log; or a pipe of this process alone, by which it gets its signals.
        return target == log or (target not in others and list(held.values()).count(target) == 2)
    if target.startswith("socket:"):
        # The socket of the process's own group is the only one with a name; a request is a connection of this process.
        path = sockets.get(target[len("socket:[") : -1], "")
        return bool(re.search(rf"/wsgi\.\d+\.u{uid}\.\d+\.sock$", path)) or (not path and target not in others)
    if target.startswith("anon_inode:"):
        return target in ("anon_inode:[eventpoll]", "anon_inode:[eventfd]")
    # The lock with which the processes of the group take turns.
    return re.search(r"/wsgi\.\d+\.\d+\.\d+\.lock \(deleted\)$", target) is not None


def log_pipes() -> dict[str, str]:
    """Return the pipes that rotatelogs reads, by the names of the logs."""
    pipes = {}
    for pid in _pids():
        try:
            words = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if words[0].endswith("rotatelogs") and "-L" in words:
            pipes[os.path.basename(words[words.index("-L") + 1])] = dict(open_files(pid)).get(0, "")
    return pipes


def open_files(pid: int) -> Iterator[tuple[int, str]]:
    """Yield number and target of each open file of a process; nothing when it is gone."""
    try:
        names = os.listdir(PROC / str(pid) / "fd")
    except OSError:
        return
    for name in names:
        try:
            yield int(name), os.readlink(PROC / str(pid) / "fd" / name)
        except OSError:
            continue


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def _unix_sockets(pid: int) -> dict[str, str]:
    rows = (line.split(maxsplit=7) for line in (PROC / str(pid) / "net" / "unix").read_text().splitlines()[1:])
    return {row[6]: row[7] for row in rows if len(row) == 8}
