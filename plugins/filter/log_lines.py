"""Entries of the logs of several hosts as lines for a person, or for a program."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.logs.entries import utc
from ansible_collections.grove.wsgi.plugins.module_utils.status.words import REMOVED, REMOVED_TEXT

DOCUMENTATION = r"""
name: log_lines
short_description: Entries of logs as lines of text
description:
  - Puts the entries that M(grove.wsgi.logs) returned on each host into one order of time. A line has the time in UTC,
    the host, the source and the text. Below them stand the hosts with older entries, and what could not be read.
options:
  _input:
    description: The results of M(grove.wsgi.logs) by host.
    type: dict
    required: true
  form:
    description: C(text), or C(json) for one JSON object in each line.
    type: str
    choices: [text, json]
    default: text
"""

RETURN = r"""
_value:
  description: The lines.
  type: list
  elements: str
"""

# What a terminal would obey, and what changes the order in which it shows a text: a client may have sent it.
UNSAFE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(text: str) -> str:
    """Return a text as a terminal may show it."""
    return UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def log_lines(results: Mapping[str, Mapping[str, Any]], form: str = "text") -> list[str]:
    """Return the entries of all hosts as lines, the oldest first, and notes below them."""
    entries = [(entry["moment"], host, entry) for host, result in results.items() for entry in result["entries"]]
    # The order of entries with the same moment stays that of their host.
    entries.sort(key=lambda one: one[0])
    if form == "json":
        return [json.dumps(_plain(host, entry)) for _, host, entry in entries]
    hosts = max((len(host) for host in results), default=0)
    sources = max((len(entry["source"]) for _, _, entry in entries), default=0)
    lines = [
        f"{utc(moment)[:23].replace('T', ' ')} {host:{hosts}} {entry['source']:{sources}} {_text(entry)}"
        for moment, host, entry in entries
    ]
    return [*lines, *notes(results)]


def notes(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what a reader has to know: entries that are left out, and files that were not read."""
    lines = []
    for host, result in results.items():
        if result["left_out"]:
            lines.append(f"{host}: {result['left_out']} older entries are left out; -e last=N shows more")
        if result.get("state") == REMOVED:
            lines.append(f"{host}: the app was {REMOVED_TEXT}")
        lines += [f"{host}: {shown(problem)}" for problem in result["problems"]]
    if not any(result["entries"] for result in results.values()):
        lines.append("there are no entries in this time; -e since=1d goes back a day")
    return lines


def _text(entry: Mapping[str, Any]) -> str:
    fields = entry["fields"]
    words = [str(fields[name]) for name in ("slot", "process", "id") if fields.get(name) is not None]
    prefix = f"[{' '.join(words)}] " if words else ""
    return prefix + shown(str(entry["text"]))


def _plain(host: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    own = {"time": utc(entry["moment"]), "host": host, "source": entry["source"]}
    # The line of an access log has a time and a host of its own.
    fields = {("requested_host" if name == "host" else name): value for name, value in entry["fields"].items()}
    return {**fields, **own, "text": entry["text"]}


class FilterModule:
    """The filter ``grove.wsgi.log_lines``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"log_lines": log_lines}
