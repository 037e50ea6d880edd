"""Pieces of the console's lines: times, lists of hosts, and texts that fit into a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable

from ansible_collections.grove.wsgi.plugins.plugin_utils.console.limits import HOSTS_SHOWN, NARROWEST


def duration(seconds: float) -> str:
    """Return a time as a person says it: ``0.4 s``, ``12 s``, ``2 min 05 s``, ``1 h 02 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def some(names: Iterable[str], limit: int = HOSTS_SHOWN) -> str:
    """Return the first names of a list, and how many more there are."""
    all_names = list(names)
    more = len(all_names) - limit
    if more <= 1:
        return ", ".join(all_names)
    return f"{', '.join(all_names[:limit])} and {more} more"


def hosts(names: Collection[str]) -> str:
    """Return the hosts of a play: their names, with the number where there are several."""
    return some(names) if len(names) < 2 else f"{len(names)} hosts, {some(names)}"


def columns(text: str) -> int:
    """Return how many columns a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "FW" else 1
        for letter in text
    )


def printable(text: str) -> str:
    """Return a text in one line, without characters that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def fitted(text: str, width: int) -> str:
    """Return a text that takes at most ``width`` columns; a cut one ends with an ellipsis."""
    width = max(width, NARROWEST)
    if columns(text) <= width:
        return text
    while columns(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"
