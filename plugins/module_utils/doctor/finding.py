"""A finding: what was examined, with what result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.doctor.limits import NAMES_SHOWN

OK, WARNING, PROBLEM = "ok", "warning", "problem"


@dataclass(frozen=True)
class Finding:
    """What an examination found.

    subject: what was examined. verdict: ``ok``, ``warning`` or ``problem``. actual: what is there. expected: what would
    be right, and remedy: what mends it, usually a command; both are empty for ``ok``.
    """

    subject: str
    verdict: str
    actual: str
    expected: str = ""
    remedy: str = ""

    def plain(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return asdict(self)


def ok(subject: str, actual: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(subject, OK, actual)


def warning(subject: str, actual: str, expected: str, remedy: str) -> Finding:
    """Return a finding that a person should know of."""
    return Finding(subject, WARNING, actual, expected, remedy)


def problem(subject: str, actual: str, expected: str, remedy: str) -> Finding:
    """Return a finding with which a run, or an application, fails."""
    return Finding(subject, PROBLEM, actual, expected, remedy)


def some(names: Iterable[str]) -> str:
    """Return the first names of a list, and how many more there are."""
    every = list(names)
    more = len(every) - NAMES_SHOWN
    return ", ".join(every[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
