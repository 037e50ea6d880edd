"""The processes that a program has started, and theirs: finding and ending all of them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time

SET_DEATH_SIGNAL, SET_SUBREAPER = 1, 36
"""Numbers of prctl(2): PR_SET_PDEATHSIG and PR_SET_CHILD_SUBREAPER."""
ENDING_SECONDS = 2.0
"""Seconds that processes which were killed may take to be gone. The kernel may wait for a disk."""
PAUSE = 0.01


def adopt_orphans() -> None:
    """Become the parent of all processes below this one whose own parent ends. Raises OSError."""
    _control(SET_SUBREAPER, 1)


def begin(parent: int, command: list[str]) -> None:
    """Become ``command``, which the kernel kills when the process ``parent`` has ended.

    Raises OSError, and SystemExit for a command that cannot be run.
    """
    _control(SET_DEATH_SIGNAL, signal.SIGKILL)
    # The parent may have ended before.
    if os.getppid() != parent:
        sys.exit("the program that has started this one has ended")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def _control(option: int, value: int) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def descendants(pid: int) -> list[int]:
    """Return the processes below a process that have not ended."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := _parent(int(name))) is not None:
            children.setdefault(parent, []).append(int(name))
    found = list(children.get(pid, ()))
    for one in found:
        found += children.get(one, ())
    return found


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            # The name of a program may have spaces and brackets.
            words = stream.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if words[0] in ("Z", "X") else int(words[1])


def end_all() -> list[int]:
    """Kill every process below this one; return those that are still there after ``ENDING_SECONDS``.

    Others than root may not kill what an agent has started as root.
    """
    end = time.monotonic() + ENDING_SECONDS
    while (alive := descendants(os.getpid())) and time.monotonic() < end:
        for pid in alive:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE)
    return alive


if __name__ == "__main__":
    begin(int(sys.argv[1]), sys.argv[2:])
