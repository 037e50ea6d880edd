"""Entries of an application's logs: what a line says, and when."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.logs import limits

ACCESS, APP, ERROR = "access", "app", "error"
"""The sources of entries, beside the units of the application, whose entries have the unit's name as their source."""

SINCE = re.compile(r"([0-9]{1,9})\s*([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MOMENTS = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%d%z")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
OWN_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6})Z (blue|green)/(\d+) (\S+) (.*)", re.DOTALL)
ERROR_LINE = re.compile(r"\[\w{3} (\w{3}) (\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) (\d{4})\] (.*)", re.DOTALL)
TEXT_LINE = re.compile(r"\S+ \S+ .*?\[([^]]+)\] \"")
TEXT_SLOT = re.compile(r" slot=(\S+)$")


class LogError(OperatorError):
    """What was asked for cannot be read; the message says what can."""


@dataclass
class Entry:
    """One line of a log: its moment in seconds since 1970, the source, the text, and what else the line says."""

    moment: float
    source: str
    text: str
    fields: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return the entry as plain data."""
        return {"moment": self.moment, "source": self.source, "text": shortened(self.text), "fields": self.fields}


def shortened(text: str) -> str:
    """Return a text of at most ``ENTRY_CHARACTERS`` characters."""
    rest = len(text) - limits.ENTRY_CHARACTERS
    return text if rest <= 0 else f"{text[: limits.ENTRY_CHARACTERS]} [{rest} more characters]"


def start_of(since: str, now: float) -> float:
    """Return the moment that ``since`` means, in seconds since 1970. Raises LogError for what means none.

    A number with a unit counts back from ``now``. A moment without a zone is one of UTC.
    """
    text = since.strip().replace(" ", "T" if re.match(r"\d{4}-", since.strip()) else "", 1)
    if match := SINCE.fullmatch(text):
        seconds = int(match[1]) * UNITS[match[2]]
        if 0 < seconds <= limits.LONGEST_DAYS * 86400:
            return now - seconds
    else:
        zoned = text if re.search(r"(Z|[+-]\d\d:?\d\d)$", text) and "T" in text else f"{text}Z"
        for pattern in MOMENTS:
            try:
                return datetime.strptime(zoned, pattern).timestamp()
            except (ValueError, OverflowError):
                continue
    raise LogError(
        f"since is {since!r}; write a number and s, m, h or d, such as 10m, up to {limits.LONGEST_DAYS}d, or a moment"
        " such as 2026-11-28T19:30 or 2026-11-28T20:30+01:00 (without a zone it is UTC)"
    )


def access_entries(lines: Iterable[str], app: str, *, is_own: bool) -> Iterator[Entry]:
    """Yield the requests that ``app`` has answered. ``is_own`` says that the log is that of its own VirtualHost.

    Such a log has requests, too, that Apache has answered itself.
    """
    for line in lines:
        entry = _json_entry(line) or _text_entry(line)
        if entry is not None and (entry.fields.get("app") == app or (is_own and entry.fields.get("app") is None)):
            yield entry


def _json_entry(line: str) -> Entry | None:
    try:
        fields = json.loads(line)
        moment = datetime.strptime(fields["time"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
    except (ValueError, TypeError, KeyError):
        return None
    shown = (("status", "{}"), ("bytes", "{} bytes"), ("ms", "{} ms"), ("request", "{}"), ("client", "from {}"))
    words = [form.format(fields[name]) for name, form in shown if fields.get(name) is not None]
    return Entry(moment, ACCESS, " ".join(words), fields)


def _text_entry(line: str) -> Entry | None:
    """Return the entry of a line in Apache's text form, as an older Grove has written it."""
    match = TEXT_LINE.match(line)
    if match is None:
        return None
    try:
        moment = datetime.strptime(match[1], "%d/%b/%Y:%H:%M:%S %z").timestamp()
    except ValueError:
        return None
    slot = TEXT_SLOT.search(line)
    app, _, colour = slot[1].rpartition("-") if slot else ("", "", "")
    return Entry(moment, ACCESS, line, {"app": app or None, "slot": colour or None})


def own_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries of an application's own log.

    What a library has written without the beginning of a line has the moment of the entry before.
    """
    moment = 0.0
    for line in lines:
        match = OWN_LINE.fullmatch(line)
        if match is None:
            yield Entry(moment, APP, line)
            continue
        moment = datetime.strptime(f"{match[1]}+0000", "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        identifier = None if match[4] == "-" else match[4]
        yield Entry(moment, APP, match[5], {"slot": match[2], "process": int(match[3]), "id": identifier})


def error_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries of one of Apache's error logs, whose times are those of this host's time zone."""
    moment = 0.0
    for line in lines:
        match = ERROR_LINE.fullmatch(line)
        if match is not None and match[1] in MONTHS:
            month, day, hour, minute, second = MONTHS.index(match[1]) + 1, *map(int, match.group(2, 3, 4, 5))
            local = (int(match[7]), month, day, hour, minute, second, 0, 0, -1)
            moment = time.mktime(local) + int(match[6]) / 1e6
            yield Entry(moment, ERROR, match[8])
        else:
            yield Entry(moment, ERROR, line)


def journal_entries(lines: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries that journalctl has printed as JSON."""
    for line in lines:
        try:
            fields = json.loads(line)
            moment = int(fields["__REALTIME_TIMESTAMP"]) / 1e6
        except (ValueError, TypeError, KeyError):
            continue
        unit = str(fields.get("_SYSTEMD_UNIT") or fields.get("UNIT") or "journal").removesuffix(".service")
        # systemd's own messages about a unit name it in UNIT.
        unit = str(fields.get("UNIT") or unit).removesuffix(".service")
        process = str(fields.get("_PID", ""))
        yield Entry(moment, unit, message_of(fields), {"process": int(process)} if process.isdigit() else {})


def message_of(fields: Mapping[str, Any]) -> str:
    """Return the message of an entry of the journal, which is a list of bytes where it is no text."""
    message = fields.get("MESSAGE")
    if isinstance(message, list):
        return bytes(number for number in message if isinstance(number, int) and 0 <= number < 256).decode(
            errors="replace"
        )
    return str(message if message is not None else "[the message is too long]")


def newest(entries: Iterable[Entry], start: float, last: int) -> tuple[list[Entry], int]:
    """Return the newest ``last`` entries from ``start`` on, in their order, and the number of those left out."""
    chosen = sorted((entry for entry in entries if entry.moment >= start), key=lambda entry: entry.moment)
    return chosen[-last:], max(0, len(chosen) - last)


def utc(moment: float) -> str:
    """Return a moment as a text of ISO 8601, in UTC and with microseconds."""
    whole = datetime(1970, 1, 1) + timedelta(seconds=int(moment), microseconds=round(moment % 1 * 1e6))
    return whole.isoformat(timespec="microseconds") + "Z"
