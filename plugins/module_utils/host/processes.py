"""What the process table of this host says, read from /proc."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
STAT_BYTES = 4096
"""Bytes of /proc/PID/stat that are read at once: 52 numbers and a name of at most 64 characters fit."""

REPLACED = " (deleted)"
"""What the kernel adds to the name of a file that was replaced on the disk (proc_pid_maps(5))."""
LIBRARY = re.compile(r".+\.so([.-][0-9.]+)?")
"""Libraries, and modules such as Debian's mod_wsgi.so-3.11."""
UNITS = (".service", ".scope")
"""The kinds of systemd's units that have processes."""


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket: address (``*`` for every address), port, who holds it, and the version of IP (4 or 6)."""

    address: str
    port: int
    pid: int | None
    program: str
    version: int = 4


def pids() -> Iterator[int]:
    """Yield the process ids of this host."""
    for name in os.listdir(PROC):
        if name.isdigit():
            yield int(name)


def start_time(pid: int) -> int:
    """Return when ``pid`` was started, in clock ticks since boot; 0 when there is no such process."""
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def has_ended(pid: int) -> bool:
    """Return whether ``pid`` is gone, or waits as a zombie for its parent. It has no open file then."""
    return _have_ended(_stat(pid))


def start_clock(pid: int) -> float:
    """Return when ``pid`` was started, in seconds since the epoch."""
    for line in (PROC / "stat").read_text().splitlines():
        if line.startswith("btime "):
            return int(line.split()[1]) + start_time(pid) / os.sysconf("SC_CLK_TCK")
    return 0.0


def command_line(pid: int) -> str:
    """Return the command line of ``pid`` with spaces between its words; empty when it is gone."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def owner(pid: int) -> int | None:
    """Return the user id that ``pid`` runs as; None when it is gone."""
    try:
        return (PROC / str(pid)).stat().st_uid
    except OSError:
        return None


def parent_of(pid: int) -> int:
    """Return the parent's process id; 0 when ``pid`` is gone."""
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def children(parent: int) -> set[int]:
    """Return the processes that ``parent`` has started, or has taken over, and that have not ended."""
    return children_by_parent().get(parent, set())


def children_by_parent() -> dict[int, set[int]]:
    """Return the processes that have not ended, by their parents. One call costs as much as ``children``."""
    families: dict[int, set[int]] = {}
    for pid in pids():
        fields = _stat(pid)
        if not _have_ended(fields):
            families.setdefault(int(fields[1]), set()).add(pid)
    return families


def is_local(pid: int) -> bool:
    """Return whether ``pid`` runs in the PID namespace of /proc. Processes of containers run in namespaces below it."""
    try:
        lines = (PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return False
    numbers = [line.split()[1:] for line in lines if line.startswith("NSpid:")]
    return all(len(each) == 1 for each in numbers)


def is_in_unit(pid: int, unit: str) -> bool:
    """Return whether ``pid`` is a process of a unit of systemd, such as ``apache2.service``."""
    try:
        lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return False
    return any(line.endswith(f"/{unit}") for line in lines)


def unit_of(pid: int) -> str:
    """Return the unit of systemd that ``pid`` belongs to, such as ``apache2.service``; empty where it has none."""
    try:
        lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return ""
    names = [name for line in lines for name in line.rpartition(":")[2].split("/") if name.endswith(UNITS)]
    return names[-1] if names else ""


def socket_inodes(pid: int) -> set[int]:
    """Return the inodes of the sockets that ``pid`` holds; empty when this process may not know."""
    inodes = set()
    with contextlib.suppress(OSError):
        for handle in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(handle)
                if target.startswith("socket:["):
                    inodes.add(int(target[len("socket:[") : -1]))
    return inodes


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the state on (proc_pid_stat(5), field 3); empty when it is gone.

    A look at all processes of a host calls this for each, several times a second: it avoids pathlib and text streams.
    """
    try:
        handle = os.open(f"{PROC}/{pid}/stat", os.O_RDONLY)
        try:
            content = os.read(handle, STAT_BYTES)
        finally:
            os.close(handle)
    except OSError:
        return []
    # The program's name, in brackets, may hold spaces and brackets itself.
    return content.rpartition(b")")[2].split()


def _have_ended(stat: list[bytes]) -> bool:
    """Return whether the process of these fields has ended.

    It stays in the table (as a zombie) until its parent has asked how it ended. While it ends, its first thread may
    be a zombie before the others, which have its files open. Field 20 is the number of threads.
    """
    return not stat or (stat[0] in (b"Z", b"X") and int(stat[17]) <= 1)


def program(pid: int) -> str:
    """Return the program's name, as ``ps -o comm`` shows it."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""


def resident(pid: int) -> int:
    """Return the bytes of memory that ``pid`` alone would free by ending (its private part); 0 when it is gone."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return _resident_unshared(pid)
    lines = [line.split() for line in text.splitlines()]
    return sum(int(fields[1]) for fields in lines if fields[0] in ("Private_Clean:", "Private_Dirty:")) * 1024


def resident_peak(pid: int) -> int:
    """Return the most bytes of memory that ``pid`` had since its start, with what it shares; 0 when it is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _resident_unshared(pid: int) -> int:
    """Return the same from a file that every user may read: resident memory without file-backed pages."""
    try:
        fields = (PROC / str(pid) / "statm").read_text().split()
    except OSError:
        return 0
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")


def unix_sockets() -> str:
    """Return the kernel's table of Unix sockets, whose first line names its columns."""
    return (PROC / "net" / "unix").read_text(errors="replace")


def listeners() -> list[Listener]:
    """Return the listening TCP sockets of this host, IPv4 and IPv6."""
    sockets = _listening()
    holders = _holders({row.inode for row in sockets})
    programs = {inode: program(pid) for inode, pid in holders.items()}
    return [
        Listener(row.address, row.port, holders.get(row.inode), programs.get(row.inode, "?"), row.version)
        for row in sockets
    ]


def listening_users(address: str, port: int) -> set[int]:
    """Return the ids of the users whose sockets listen on a TCP port of an IP address, or of every address."""
    return {row.user for row in _listening() if row.port == port and row.address in (address, "*")}


@dataclass(frozen=True)
class _Listening:
    address: str
    port: int
    user: int
    inode: str
    version: int


def _listening() -> list[_Listening]:
    rows = []
    for table, size in (("tcp", 4), ("tcp6", 16)):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] != "0A":
                continue
            address, _, port = fields[1].partition(":")
            version = 4 if size == 4 else 6
            rows.append(_Listening(_address(address, size), int(port, 16), int(fields[7]), fields[9], version))
    return rows


def _address(text: str, size: int) -> str:
    # The kernel prints the address as 32-bit words in the machine's byte order.
    words = struct.pack(f"={size // 4}I", *(int(text[i : i + 8], 16) for i in range(0, size * 2, 8)))
    if not any(words):
        return "*"
    return socket.inet_ntop(socket.AF_INET if size == 4 else socket.AF_INET6, words)


def _holders(inodes: set[str]) -> dict[str, int]:
    holders: dict[str, int] = {}
    for pid in sorted(pids()):
        for inode in map(str, socket_inodes(pid)):
            if inode in inodes:
                holders.setdefault(inode, pid)
    return holders


def mapped_files(pid: int) -> set[str]:
    """Return the files that ``pid`` has mapped, such as its program and its libraries; empty when it is gone."""
    try:
        lines = (PROC / str(pid) / "maps").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    fields = (line.split(maxsplit=5) for line in lines)
    return {each[5] for each in fields if len(each) == 6 and each[5].startswith("/")}


def replaced_files(pid: int) -> set[str]:
    """Return the paths of the program and the libraries that ``pid`` runs with, and that were replaced on the disk."""
    try:
        program_file = os.readlink(PROC / str(pid) / "exe")
    except OSError:
        program_file = ""
    paths = {path.removesuffix(REPLACED) for path in mapped_files(pid) if path.endswith(REPLACED)}
    own = program_file.removesuffix(REPLACED)
    return {path for path in paths if path == own or LIBRARY.fullmatch(path)}
