"""The datagrams in which mod_wsgi 6 tells about the processes of applications (WSGITelemetryService).

Every account may send to the socket: processes of applications run as accounts of their own. So nothing in a datagram
says who has sent it. The kernel says it, and a datagram counts if its sender is a process of Apache's that runs as the
account of the application. A process can tell wrong numbers about itself alone.
"""

from __future__ import annotations

import collections
import contextlib
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from . import settings

HEADER = struct.Struct("<4sBBHIId")
MAGIC, VERSION = b"WSGI", 1
REQUEST, STARTED, STOPPING, STOPPED = 2, 5, 6, 7
SIMPLE = {1: struct.Struct("<Q"), 2: struct.Struct("<d"), 3: struct.Struct("<q")}
LISTS = {4: 1, 5: 4, 6: 8}
"""Bytes of an element, by the type of a list; type 4 is a text."""
GROUP, INTERVAL, THREADS, BUSY, REASON = 6, 11, 50, 52, 130
"""Numbers of the fields: the process group, the seconds between two datagrams, the threads, the busy ones, and why a
process ends."""
CREDENTIALS = struct.Struct("=3i")
POLL_SECONDS = 1.0
MOST_STARTS = 10_000
"""Starts that are remembered until the next scrape."""


class DatagramError(ValueError):
    """A datagram is not what mod_wsgi 6 sends."""


@dataclass(frozen=True)
class Datagram:
    """What a process tells; fields by number. Texts are bytes, lists are left out."""

    kind: int
    fields: dict[int, int | float | bytes]

    def text(self, number: int) -> str:
        """Return a field that is a text; empty if there is none."""
        value = self.fields.get(number, b"")
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""

    def number(self, number: int) -> float | None:
        """Return a field that is a number; None if there is none."""
        value = self.fields.get(number)
        return None if isinstance(value, bytes) else value


def parse(data: bytes) -> Datagram:
    """Return what is in a datagram. Raises DatagramError."""
    try:
        magic, version, kind, _, _, _, _ = HEADER.unpack_from(data)
        if (magic, version) != (MAGIC, VERSION):
            raise DatagramError(f"it begins with {data[:5]!r}; it has to begin with {MAGIC!r} and version {VERSION}")
        fields: dict[int, int | float | bytes] = {}
        place = HEADER.size
        while place < len(data):
            number, kind_of_field = struct.unpack_from("<HB", data, place)
            place += 3
            if kind_of_field in SIMPLE:
                (fields[number],) = SIMPLE[kind_of_field].unpack_from(data, place)
                place += 8
                continue
            (length,) = struct.unpack_from("<H", data, place)
            size = length * LISTS[kind_of_field]
            place += 2
            if place + size > len(data):
                raise DatagramError("it ends within a field")
            if kind_of_field == 4:
                fields[number] = data[place : place + size]
            place += size
    except struct.error as error:
        raise DatagramError(f"it ends within a field: {error}") from error
    except KeyError as error:
        raise DatagramError(f"a field has the type {error}, which is not known") from error
    return Datagram(kind, fields)


@dataclass
class Told:
    """What a process has told: its group, its threads, how many of them were busy at ``heard``, and why it ends."""

    group: str
    heard: float
    threads: float | None = None
    busy: float | None = None
    reason: str = ""


@dataclass
class Everything:
    """What all processes have told, by their numbers, and how many datagrams did not count."""

    processes: dict[int, Told] = field(default_factory=dict)
    starts: collections.deque[tuple[int, str]] = field(default_factory=lambda: collections.deque(maxlen=MOST_STARTS))
    refused: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, pid: int, data: bytes, is_allowed: Callable[[int, str], bool], now: float) -> None:
        """Take over a datagram of the process ``pid``, which the kernel has named."""
        try:
            datagram = parse(data)
        except DatagramError:
            with self.lock:
                self.refused += 1
            return
        if datagram.kind not in (REQUEST, STARTED, STOPPING, STOPPED):
            return
        group = datagram.text(GROUP)
        with self.lock:
            known = self.processes.get(pid)
        if known is None or datagram.kind == STARTED or (group and group != known.group):
            # Apache's own processes have no group.
            if not group:
                return
            if not is_allowed(pid, group):
                with self.lock:
                    self.refused += 1
                return
            known = Told(group, now)
        with self.lock:
            self.processes[pid] = known
            known.heard = now
            if datagram.kind == STARTED:
                self.starts.append((pid, known.group))
            elif datagram.kind == REQUEST:
                known.threads, known.busy = datagram.number(THREADS), datagram.number(BUSY)
            else:
                known.reason = datagram.text(REASON) or known.reason or "unknown"

    def forget(self, pid: int) -> Told | None:
        """Return what a process has told, which has ended, and forget it."""
        with self.lock:
            return self.processes.pop(pid, None)

    def take_starts(self) -> list[tuple[int, str]]:
        """Return the processes that have told of their start since the last call, with their groups."""
        with self.lock:
            taken = list(self.starts)
            self.starts.clear()
            return taken

    def look(self) -> tuple[dict[int, Told], int]:
        """Return copies of what is known now."""
        with self.lock:
            return {pid: Told(**vars(one)) for pid, one in self.processes.items()}, self.refused


def open_socket(path: str) -> socket.socket:
    """Return a socket to which every account may send, and on which the kernel names the sender. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    receiver.bind(path)
    os.chmod(path, 0o666)
    return receiver


def receive(
    receiver: socket.socket,
    everything: Everything,
    is_allowed: Callable[[int, str], bool],
    live: str,
    each: Callable[[], None],
) -> None:
    """Take over datagrams for ever, and pass them on to the socket ``live``; call ``each`` at least once a second.

    mod_wsgi waits for room in the socket: this loop does nothing that may take long.
    """
    while True:
        each()
        ready, _, _ = select.select([receiver], [], [], POLL_SECONDS)
        if not ready:
            continue
        data, ancillary, _, _ = receiver.recvmsg(settings.DATAGRAM_BYTES, socket.CMSG_SPACE(CREDENTIALS.size))
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid, _, _ = CREDENTIALS.unpack(content[: CREDENTIALS.size])
                everything.note(pid, data, is_allowed, time.monotonic())
        if live:
            # The live page may not run, or be slow.
            with contextlib.suppress(OSError):
                receiver.sendto(data, socket.MSG_DONTWAIT, live)
