"""How daemon processes ended, as mod_wsgi says in Apache's error log of the whole server.

Apache's parent process writes these lines, at mod_wsgi's level ``info``, which Grove's configuration asks for. The
kernel tells it of every end, SIGKILL included. An ordered end, such as that of a release, is an exit with code 0.
"""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.logs.entries import ERROR, Entry, error_entries, utc

# The forms of mod_wsgi 6 and, with the process before the colon, of mod_wsgi 4.
LINE = re.compile(
    r"\[wsgi:info\] \[pid \d+:tid \d+\] (?:mod_wsgi \(pid=(?P<four>\d+)\): )?"
    r"Process '(?P<app>[^']+)-(?P<slot>blue|green)'(?: \(pid=(?P<six>\d+)\))? terminated "
    r"(?:by signal (?P<signal>\d+)|normally, exit code (?P<code>\d+))"
)


@dataclass(frozen=True)
class End:
    """The end of a daemon process by itself: by a signal, or with an exit code (``signal`` is 0 then)."""

    moment: float
    app: str
    slot: str
    process: int
    signal: int
    code: int

    @property
    def name(self) -> str:
        """The name of the signal, such as SIGSEGV."""
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"

    def entry(self) -> Entry:
        """Return the end as an entry of the application's logs."""
        how = f"was ended by {self.name}" if self.signal else f"ended with exit code {self.code}"
        return Entry(self.moment, ERROR, f"the process {how}", {"slot": self.slot, "process": self.process})


def ends(lines: Iterable[str], app: str) -> Iterator[End]:
    """Yield the ends of processes of ``app`` that nobody has ordered, from lines of the server's error log."""
    for entry in error_entries(lines):
        match = LINE.fullmatch(entry.text)
        if match is not None and match["app"] == app and (match["signal"] or match["code"] != "0"):
            process = int(match["six"] or match["four"] or 0)
            yield End(entry.moment, app, match["slot"], process, int(match["signal"] or 0), int(match["code"] or 0))


def by_signal(found: Iterable[End]) -> dict[str, Any] | None:
    """Return ``number``, ``signals`` (how often each) and ``last`` (a time of ISO 8601) of the ends by a signal.

    None where no signal has ended a process.
    """
    killed = [end for end in found if end.signal]
    if not killed:
        return None
    return {
        "number": len(killed),
        "signals": dict(Counter(end.name for end in killed)),
        "last": utc(max(end.moment for end in killed)),
    }


def words(summary: dict[str, Any]) -> str:
    """Return what ``by_signal`` has returned for a day in words."""
    each = ", ".join(f"{name} {number}x" for name, number in summary["signals"].items())
    noun = "process was" if summary["number"] == 1 else "processes were"
    last = summary["last"][:19].replace("T", " ")
    return f"{summary['number']} {noun} ended by a signal in the last day ({each}), the last one at {last} UTC"
