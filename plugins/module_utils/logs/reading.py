"""Reading the logs of an application on this host, from a moment on."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.logs import ends, entries, limits
from ansible_collections.grove.wsgi.plugins.module_utils.logs.places import Places


def read(app: str, places: Places, account: str, start: float, last: int) -> dict[str, Any]:
    """Return the newest ``last`` entries from ``start`` on, how many are left out, and what could not be read.

    Root reads files that the account of the application can replace: a link is not followed, and a file of another
    account is not read.
    """
    problems: list[str] = []
    found = [
        *entries.access_entries(lines(places.access, start, problems), app, is_own=places.is_own),
        # mod_wsgi's lines about each start and stop of a process would hide the others.
        *(
            entry
            for entry in entries.error_entries(lines(places.error, start, problems))
            if not entry.text.startswith("[wsgi:info] ")
        ),
        *(end.entry() for end in ends.ends(lines(places.server, start, problems), app)),
        *entries.own_entries(lines(places.output, start, problems, account)),
        *entries.journal_entries(journal(places.units, start, last, problems)),
    ]
    chosen, left_out = entries.newest(found, start, last)
    return {"entries": [entry.plain() for entry in chosen], "left_out": left_out, "problems": problems}


def files(current: Path, start: float) -> list[Path]:
    """Return the files of a log that may have lines from ``start`` on, the oldest first."""
    found = []
    for path in [current, *current.parent.glob(f"{current.name}-*")]:
        # Apache's current file has two names, of which one has the day; a program may remove a file meanwhile.
        try:
            status = path.lstat()
        except OSError:
            continue
        if status.st_mtime >= start:
            found.append((status.st_mtime, path.name == current.name, status.st_ino, path))
    by_file = {inode: path for _, _, inode, path in sorted(found)}
    return list(by_file.values())


def lines(current: Path, start: float, problems: list[str], account: str | None = None) -> Iterator[str]:
    """Yield the lines of the files of a log, without their ends. ``problems`` gets what could not be read.

    ``account`` owns the folder, and has to own the files; None for a folder of root's.
    """
    for path in files(current, start):
        try:
            content, is_cut = tail(path, account)
        except OSError as error:
            problems.append(f"{path} was not read: {error.strerror}")
            continue
        if is_cut:
            problems.append(f"{path} is long: only its last {limits.TAIL_BYTES >> 20} MiB were read")
        yield from (
            line.decode(errors="backslashreplace") for line in content.removesuffix(b"\n").split(b"\n") if content
        )


def tail(path: Path, account: str | None) -> tuple[bytes, bool]:
    """Return the end of a file, from the beginning of a line on, and whether that is not all.

    Raises OSError for what is no file, or belongs to another account than ``account``.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as stream:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is no file")
        if account is not None and owner(status.st_uid) != account:
            raise OSError(0, f"it belongs to {owner(status.st_uid)}")
        begin = max(0, status.st_size - limits.TAIL_BYTES)
        stream.seek(begin)
        content = stream.read(limits.TAIL_BYTES)
    return (content.partition(b"\n")[2] if begin else content), begin > 0


def owner(number: int) -> str:
    """Return the name of an account, or its number where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def journal(units: tuple[str, ...], start: float, last: int, problems: list[str]) -> list[str]:
    """Return the newest ``last`` lines of the journal of these units, each in JSON."""
    if not units or shutil.which("journalctl") is None:
        return []
    command = ["journalctl", "--output=json", "--no-pager", "--quiet", f"--since=@{int(start)}", f"--lines={last}"]
    command += [f"--unit={unit}" for unit in units]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=limits.JOURNAL_SECONDS)
    except subprocess.TimeoutExpired:
        problems.append(f"the journal was not read: journalctl took more than {limits.JOURNAL_SECONDS} s")
        return []
    if done.returncode:
        problems.append(f"the journal was not read: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace").splitlines()
