"""Leaves a daemon process no descriptor that Apache's parent had opened for somebody else.

mod_wsgi forks daemon processes from Apache's parent. So they inherit the pipes of every site's logs, the locks of other
process groups, and the pipe that ends Apache's processes. ``keep_own_descriptors`` runs when Python starts, before any
code of an application or of its virtualenv: the virtualenv is added later, by ``slot.wsgi``.

The kernel says whose a pipe is: it belongs to the account that made it. Apache's parent makes its pipes as root. The
program that writes an application's error log gives its pipe to the application's account (httpd/log.j2).

This file uses the standard library of Python 3.9 alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

LOG_SECONDS = 10.0
"""Until the program of the error log has given its pipe to the account. Apache starts this program before the daemon
processes; on a busy machine it may still be the later one."""
POLL_SECONDS = 0.01
"""Pause between two looks at the owner of a pipe: no request waits for longer than that without need."""
SOCKET_NAME = re.compile(r"wsgi\.\d+\.u?\d+\.(\d+)\.sock")
"""The name that mod_wsgi gives to a process group's socket; it ends with the group's place among all groups."""
HARMLESS_DEVICES = frozenset({"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"})


@dataclass(frozen=True)
class Descriptor:
    """An open file of this process.

    ``kind`` is ``pipe``, ``file``, ``device``, ``unix`` (a listening Unix socket), ``tcp`` (a listening TCP socket),
    ``socket`` (any other) or ``other``. ``name`` is a path, or the inode of a pipe. ``owner`` is the user id of the
    account that the open file belongs to.
    """

    number: int
    kind: str
    name: str
    owner: int
    reads: bool = True
    writes: bool = True


@dataclass
class Plan:
    """What becomes of each descriptor that does not stay as it is.

    ``own_log`` is the pipe of the application's own error log, None where there is none. ``to_log`` are pipes of error
    logs, which are replaced by ``own_log``; ``to_null`` are replaced by /dev/null.
    """

    own_log: int | None = None
    to_log: list[int] = field(default_factory=list)
    to_null: list[int] = field(default_factory=list)


def plan(descriptors: Iterable[Descriptor], uid: int, home: str) -> Plan | None:
    """Return what has to become of the descriptors of a daemon process that runs as the account ``uid``.

    ``home`` is the folder of the Python that is starting. None for a process that is no daemon process of mod_wsgi:
    such a process has no socket of a process group, or has the ports of Apache.
    """
    table = sorted(descriptors, key=lambda one: one.number)
    groups = [match.group(1) for one in table if one.kind == "unix" and (match := _socket_name(one.name))]
    if uid == 0 or not groups or any(one.kind == "tcp" for one in table):
        return None
    # The error log's pipe is only written here; mod_wsgi's pipes for signals have both ends in this process.
    read_here = {one.name for one in table if one.kind == "pipe" and one.reads}
    result = Plan()
    for one in table:
        is_error_log = one.kind == "pipe" and one.name not in read_here
        if is_error_log and one.owner == uid and result.own_log is None:
            result.own_log = one.number
        elif is_error_log and one.owner != uid:
            result.to_log.append(one.number)
        elif not _stays(one, uid, home, groups):
            result.to_null.append(one.number)
    return result


def _stays(one: Descriptor, uid: int, home: str, groups: list[str]) -> bool:
    """Return whether a descriptor is the process's own; error logs of others have been sorted out before."""
    if one.kind in ("pipe", "socket"):
        return one.owner == uid
    if one.kind == "unix":
        return _socket_name(one.name) is not None
    if one.kind == "device":
        return one.name in HARMLESS_DEVICES
    if one.kind == "file":
        lock = re.fullmatch(r"wsgi\.\d+\.\d+\.(\d+)\.lock", os.path.basename(one.name.removesuffix(" (deleted)")))
        return (lock is not None and lock.group(1) in groups) or one.name.startswith(home + "/")
    # Objects of the kernel without a name, such as an epoll, pass nothing on to other processes.
    return True


def _socket_name(path: str) -> re.Match[str] | None:
    return SOCKET_NAME.fullmatch(os.path.basename(path))


def read_descriptors() -> list[Descriptor]:
    """Return the open files of this process, as /proc shows them."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        # The folder that is being read is gone by now.
        with contextlib.suppress(OSError):
            found.append(_describe(int(name)))
    return found


def _describe(number: int) -> Descriptor:
    status = os.fstat(number)
    target = os.readlink(f"/proc/self/fd/{number}")
    with open(f"/proc/self/fdinfo/{number}", encoding="ascii") as stream:
        access = next(int(line.split()[1], 8) for line in stream if line.startswith("flags:")) & os.O_ACCMODE
    kind, name = "other", target
    if stat.S_ISFIFO(status.st_mode):
        kind, name = "pipe", f"{status.st_dev}:{status.st_ino}"
    elif stat.S_ISSOCK(status.st_mode):
        kind, name = _socket_kind(number)
    elif stat.S_ISCHR(status.st_mode):
        kind = "device"
    elif stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        kind = "file"
    return Descriptor(number, kind, name, status.st_uid, access != os.O_WRONLY, access != os.O_RDONLY)


def _socket_kind(number: int) -> tuple[str, str]:
    with socket.socket(fileno=os.dup(number)) as own:
        if not own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return "socket", ""
        address = own.getsockname()
        if own.family == socket.AF_UNIX:
            return "unix", address if isinstance(address, str) else ""
        return "tcp", str(address)


def keep_own_descriptors() -> None:
    """Replace every descriptor of this process that Apache's parent had opened for somebody else.

    The numbers stay in use: Apache's code in this process knows the logs by their numbers, and would otherwise write
    into a file that the application opens later. Does nothing in a process that is no daemon process.
    """
    uid = os.geteuid()
    deadline = time.monotonic() + LOG_SECONDS
    while True:
        work = plan(read_descriptors(), uid, sys.prefix)
        if work is None:
            return
        if work.own_log is not None or not work.to_log or time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    null = os.open(os.devnull, os.O_RDWR)
    try:
        if work.own_log is None and work.to_log:
            text = "grove: the pipe of the application's error log does not belong to its account: nothing is logged\n"
            os.write(2, text.encode())
        target = null if work.own_log is None else work.own_log
        for number in work.to_log:
            os.dup2(target, number, inheritable=number <= 2)
        for number in work.to_null:
            os.dup2(null, number, inheritable=number <= 2)
    finally:
        os.close(null)
    for one in read_descriptors():
        if one.number > 2:
            with contextlib.suppress(OSError):
                os.set_inheritable(one.number, False)
