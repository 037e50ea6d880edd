"""How much of a host's capacity its requests have used, as the access logs say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

REFUSED = (503, 504)
"""The statuses by which Apache says that an application had no room or no time."""
SHARES = (50, 95, 99)


@dataclass
class Requests:
    """Requests of an application, or of a host: begin and end of each, and what is counted of them.

    Moments are seconds since 1970. ``queue`` and ``app`` are milliseconds. ``untimed`` counts lines without times, as
    an Apache without JSON logs writes them.
    """

    begins: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    queue: list[float] = field(default_factory=list)
    app: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    untimed: int = 0

    def add(self, begin: float, fields: dict[str, Any]) -> None:
        """Count one line of the access log."""
        self.begins.append(begin)
        self.ends.append(begin + _number(fields.get("ms")) / 1000)
        for key, values in (("queue_ms", self.queue), ("app_ms", self.app)):
            if fields.get(key) is not None:
                values.append(_number(fields[key]))
        self.statuses[int(_number(fields.get("status")))] += 1

    def summary(self) -> dict[str, Any]:
        """Return the figures as plain data; None for what no line tells."""
        busiest, busiest_at = peak(self.begins, self.ends)
        seconds = Counter(map(int, self.begins))
        second, number = max(seconds.items(), key=lambda one: (one[1], -one[0]), default=(None, 0))
        return {
            "requests": len(self.begins),
            "untimed": self.untimed,
            "first": min(self.begins, default=None),
            "last": max(self.begins, default=None),
            "busiest": busiest,
            "busiest_at": busiest_at,
            "per_second": number,
            "per_second_at": second,
            "queue_ms": percentiles(self.queue),
            "app_ms": percentiles(self.app),
            "app_ms_mean": sum(self.app) / len(self.app) if self.app else None,
            "timed": len(self.app),
            "refused": {str(status): self.statuses[status] for status in REFUSED if self.statuses[status]},
        }


def peak(begins: Iterable[float], ends: Iterable[float]) -> tuple[int, float | None]:
    """Return how many requests were under way at the same time at most, and when first; None without requests.

    A request that ends in the moment in which another begins is not at the same time.
    """
    events = sorted([*((end, -1) for end in ends), *((begin, 1) for begin in begins)])
    now, most, at = 0, 0, None
    for moment, step in events:
        now += step
        if now > most:
            most, at = now, moment
    # A request of no length ends before it begins in this order.
    return (most, at) if most or not events else (1, events[0][0])


def percentiles(values: list[float]) -> dict[str, float] | None:
    """Return the values below which so many per cent of the others are, by ``SHARES``, and the largest one."""
    if not values:
        return None
    ordered = sorted(values)
    found = {f"p{share}": ordered[max(0, -(-len(ordered) * share // 100) - 1)] for share in SHARES}
    return {**found, "max": ordered[-1]}


def read(lines: Iterable[str], start: float, own: str | None, host: Requests, apps: dict[str, Requests]) -> None:
    """Add the lines of a log from ``start`` on to ``host`` and to the applications in ``apps``.

    ``own`` is the application whose name the log has, which gets the lines of Apache's own answers; None for no one.
    """
    for line in lines:
        try:
            fields = json.loads(line)
            begin = datetime.fromisoformat(fields["time"]).timestamp()
        except (ValueError, TypeError, KeyError):
            host.untimed += 1
            if own in apps:
                apps[str(own)].untimed += 1
            continue
        if begin < start:
            continue
        host.add(begin, fields)
        name = fields.get("app") or own
        if name in apps:
            apps[name].add(begin, fields)


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0
