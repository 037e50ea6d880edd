"""The counters of requests that Apache's module ``mod_grove_metrics`` keeps in a file (httpd/mod_grove_metrics.c)."""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC, LAYOUT = b"grovereq", 1
APPS, SERIES, STATUSES, NAME, SLOT, RELEASE = 64, 12, 500, 64, 8, 24
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; a bucket has the requests that took no longer than this, and more than the bound before it."""
BUCKETS = len(BOUNDS) + 1
READY = 2

HEAD = struct.Struct("=8sIIQ")
APPLICATION = struct.Struct(f"=IIII{NAME}s")
ONE = struct.Struct(f"=IIQ{SLOT}s{RELEASE}s{STATUSES}Q{3 * BUCKETS}Q3Q")
APPLICATION_SIZE = APPLICATION.size + SERIES * ONE.size
SIZE = HEAD.size + APPS * APPLICATION_SIZE


class LayoutError(ValueError):
    """The file is not what this version of the module writes."""


@dataclass(frozen=True)
class Times:
    """How many requests took how long: a number for each bound and one for what is above, and the sum in seconds."""

    buckets: tuple[int, ...]
    seconds: float

    def __add__(self, other: Times) -> Times:
        return Times(tuple(map(operator.add, self.buckets, other.buckets)), self.seconds + other.seconds)


@dataclass(frozen=True)
class Counted:
    """Requests of one slot and release of an application; ``app`` is empty for those that belong to none.

    ``whole`` are the times of all of them; ``queue`` and ``application`` are the times of those that a process of the
    application has answered. ``release`` is empty if none has.
    """

    app: str
    slot: str
    release: str
    statuses: dict[int, int]
    whole: Times
    queue: Times
    application: Times


@dataclass(frozen=True)
class Configured:
    """An application in the configuration of the running Apache: its account, and what each slot may have."""

    app: str
    user: int
    processes: int
    threads: int


@dataclass(frozen=True)
class Contents:
    """What is in the file; ``lost`` is the number of requests that found no place in it."""

    counted: list[Counted]
    configured: list[Configured]
    lost: int


def read(path: Path) -> Contents:
    """Return what is in the file. Raises LayoutError for what is no such file, and OSError."""
    return parse(path.read_bytes(), str(path))


def parse(content: bytes, path: str) -> Contents:
    """Return what ``read`` does, for the content of a file."""
    if len(content) < HEAD.size:
        raise LayoutError(f"{path} has {len(content)} bytes; it has to have {SIZE}")
    magic, layout, size, lost = HEAD.unpack_from(content)
    if (magic, layout, size, len(content)) != (MAGIC, LAYOUT, SIZE, SIZE):
        raise LayoutError(f"{path} has layout {layout} and {len(content)} bytes; it has to have {LAYOUT} and {SIZE}")
    merged: dict[tuple[str, str, str], Counted] = {}
    for one in _all(content):
        key = (one.app, one.slot, one.release)
        merged[key] = _sum(merged[key], one) if key in merged else one
    return Contents(list(merged.values()), list(_configured(content)), lost)


def _configured(content: bytes) -> Iterator[Configured]:
    for place in range(HEAD.size, SIZE, APPLICATION_SIZE):
        state, user, processes, threads, name = APPLICATION.unpack_from(content, place)
        if state == READY and processes:
            yield Configured(_text(name), user, processes, threads)


def _all(content: bytes) -> Iterator[Counted]:
    for place in range(HEAD.size, SIZE, APPLICATION_SIZE):
        state, _, _, _, name = APPLICATION.unpack_from(content, place)
        if state != READY:
            continue
        first = place + APPLICATION.size
        for offset in range(first, first + SERIES * ONE.size, ONE.size):
            state, _, _, slot, release, *numbers = ONE.unpack_from(content, offset)
            if state != READY:
                continue
            statuses = {100 + index: number for index, number in enumerate(numbers[:STATUSES]) if number}
            sums = numbers[STATUSES + 3 * BUCKETS :]
            times = []
            for which in range(3):
                begin = STATUSES + which * BUCKETS
                times.append(Times(tuple(numbers[begin : begin + BUCKETS]), sums[which] / 1e6))
            yield Counted(_text(name), _text(slot), _text(release), statuses, times[0], times[1], times[2])


def _sum(one: Counted, other: Counted) -> Counted:
    statuses = dict(one.statuses)
    for status, number in other.statuses.items():
        statuses[status] = statuses.get(status, 0) + number
    times = (one.whole + other.whole, one.queue + other.queue, one.application + other.application)
    return Counted(one.app, one.slot, one.release, statuses, *times)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
