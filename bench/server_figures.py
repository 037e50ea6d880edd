"""The figures of bench/servers.py: what wrk printed, medians of rounds, ratios to Grove, and a table of them."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

GROVE = "grove"
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
FAILURES = ("connect", "read", "write", "timeout")


class Load(NamedTuple):
    """What wrk measured. Latencies are in seconds, and None if no request was answered."""

    requests: int
    per_second: float
    p50: float | None
    p99: float | None
    longest: float | None
    failed: dict[str, int]
    """Socket errors by kind, and `status` for answers other than 2xx and 3xx."""


class Measured(NamedTuple):
    """One server with one application and one number of clients, in one half of a round."""

    app: str
    server: str
    pieces: bool
    clients: int
    half: int
    """0 is the first half of the first round, without pieces for the peers, 1 the second half, with them, and so on."""
    load: Load
    cpu: float | None
    """Processor seconds of a request, or None if none was answered."""
    memory: int
    """KiB (Pss) of all processes of the server."""
    largest: int
    """KiB (Pss) of its largest process, which is one that runs the application."""
    others: float
    """Processor seconds of other programs of the machine in each second."""
    load_average: float


class Row(NamedTuple):
    """The medians of one server with one application and one number of clients, and its ratios to Grove.

    A ratio is the median of the ratios of each half, since its two sides were measured close to each other. It is None
    where a side is missing or zero.
    """

    app: str
    server: str
    pieces: bool
    clients: int
    median: dict[str, float | None]
    ratio: dict[str, float | None]
    failed: dict[str, int]
    requests: int


def seconds(text: str) -> float:
    """Return a time that wrk wrote, such as 12.3ms, in seconds. Raises ValueError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)", text)
    if not match:
        raise ValueError(f"{text!r} is no time of wrk; one has a number and {', '.join(UNITS)}")
    return float(match[1]) * UNITS[match[2]]


def parse_wrk(output: str) -> Load:
    """Read the output of `wrk --latency`. Raises ValueError if a part is missing."""

    def find(pattern: str, missing: str) -> re.Match[str]:
        match = re.search(pattern, output, re.MULTILINE)
        if not match:
            raise ValueError(f"wrk printed no {missing}: {output[:500]!r}")
        return match

    requests = int(find(r"^\s*(\d+) requests in ", "number of requests")[1])
    rate = float(find(r"^Requests/sec:\s+(\d+\.\d+)$", "requests a second")[1])
    latencies: list[float | None] = [None, None, None]
    if requests:
        spread = find(r"^ +Latency +\S+ +\S+ +(\S+) ", "longest latency")[1]
        parts = [find(rf"^ +{part}% +(\S+) *$", f"latency of {part} %")[1] for part in (50, 99)]
        latencies = [seconds(text) for text in (*parts, spread)]
    failed = {}
    if sockets := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output):
        failed = {kind: int(count) for kind, count in zip(FAILURES, sockets.groups(), strict=True) if int(count)}
    if statuses := re.search(r"Non-2xx or 3xx responses: (\d+)", output):
        failed["status"] = int(statuses[1])
    p50, p99, longest = latencies
    return Load(requests, rate, p50, p99, longest, failed)


def figures(one: Measured) -> dict[str, float | None]:
    """Return the figures of a measurement that have medians and ratios, by their names."""
    return {
        "requests a second": one.load.per_second,
        "CPU of a request": one.cpu,
        "p50": one.load.p50,
        "p99": one.load.p99,
        "max": one.load.longest,
        "memory": float(one.memory),
        "largest process": float(one.largest),
    }


NAMES = ("requests a second", "CPU of a request", "p50", "p99", "max", "memory", "largest process")


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of the values that are there, or None if there is none."""
    there = [value for value in values if value is not None]
    return statistics.median(there) if there else None


def ratio(value: float | None, base: float | None) -> float | None:
    """Return value / base, or None if a side is missing or the base is zero."""
    return None if value is None or not base else value / base


def rows(measured: Sequence[Measured]) -> list[Row]:
    """Return a row for each application, number of clients and server, in the order in which they first appear."""
    groups: dict[tuple[str, int, str, bool], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.app, one.clients, one.server, one.pieces), []).append(one)
    order = list(dict.fromkeys((one.app, one.server, one.pieces) for one in measured))
    result = []
    for app, server, pieces in order:
        for clients in dict.fromkeys(one.clients for one in measured if one.app == app):
            group = groups.get((app, clients, server, pieces), [])
            if not group:
                continue
            groves = [one for (*key, _), many in groups.items() if key == [app, clients, GROVE] for one in many]
            grove = {one.half: figures(one) for one in groves}
            own = {one.half: figures(one) for one in group}
            failed: dict[str, int] = {}
            for one in group:
                for kind, count in one.load.failed.items():
                    failed[kind] = failed.get(kind, 0) + count
            ratios = {name: median(ratio(own[at][name], grove.get(at, {}).get(name)) for at in own) for name in NAMES}
            medians = {name: median(values[name] for values in own.values()) for name in NAMES}
            requests = sum(one.load.requests for one in group)
            result.append(Row(app, server, pieces, clients, medians, ratios, failed, requests))
    return result


def shown(value: float | None) -> str:
    """Return a ratio as text with two digits that matter."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 4 else f"{value:.2f}"


def failures(row: Row) -> str:
    """Return the failed requests of a row as text: their kinds, and how many for each 1 000 requests."""
    if not row.failed:
        return "0"
    each = 1000 * sum(row.failed.values()) / max(row.requests, 1)
    return f"{each:.1f} ({', '.join(row.failed)})"


def table(made: Sequence[Row]) -> str:
    """Return the ratios to Grove as tables of Markdown, one for each application."""
    parts = []
    for app in dict.fromkeys(row.app for row in made):
        mine = [row for row in made if row.app == app]
        clients = list(dict.fromkeys(row.clients for row in mine))
        heads = [f"{one} at {number}" for number in clients for one in ("requests a second", "CPU", "p99", "failed")]
        lines = [
            f"| {app} | " + " | ".join([*heads, "memory", "largest process"]) + " |",
            "|---" * (len(heads) + 3) + "|",
        ]
        for server, pieces in dict.fromkeys((row.server, row.pieces) for row in mine):
            cells = []
            last: Row | None = None
            for number in clients:
                row = next((row for row in mine if row[1:4] == (server, pieces, number)), None)
                if row is None:
                    cells += ["-"] * 4
                    continue
                names = ("requests a second", "CPU of a request", "p99")
                cells += [*(shown(row.ratio[name]) for name in names), failures(row)]
                last = row
            cells += [shown(last.ratio[name]) if last else "-" for name in ("memory", "largest process")]
            lines.append(f"| {title(server, pieces)} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def title(server: str, pieces: bool) -> str:
    """Return the name of a server in tables and plots. Grove has its pieces in any case."""
    return f"{server}, pieces" if pieces and server != GROVE else server


def from_json(objects: Iterable[dict[str, Any]]) -> list[Measured]:
    """Return the measurements that a file of an earlier run has. Raises TypeError and KeyError for other objects."""
    return [Measured(**{**one, "load": Load(**one["load"])}) for one in objects]


def to_json(measured: Iterable[Measured]) -> list[dict[str, Any]]:
    """Return the measurements as objects that `from_json` reads."""
    return [{**one._asdict(), "load": one.load._asdict()} for one in measured]
