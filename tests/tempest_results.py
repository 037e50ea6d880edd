"""The results of Tempest, compared with the failures that are known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

KNOWN = Path(__file__).parents[1] / "molecule" / "shared" / "tempest" / "known_failures.yml"


@dataclass(frozen=True)
class Known:
    """Tests that are known to fail.

    tests: a regular expression for their names. reason: why they fail. unstable: why some runs pass, if some do.
    """

    tests: str
    reason: str
    unstable: str = ""


@dataclass(frozen=True)
class Result:
    """The outcome of one test: ``success``, ``fail`` or ``skip``; the text is the traceback or the reason."""

    name: str
    status: str
    text: str = ""


def read_known(path: Path = KNOWN) -> list[Known]:
    """Return the failures that are known. Raises TypeError for an entry with other keys."""
    return [Known(**entry) for entry in yaml.safe_load(path.read_text()) or []]


def differences(results: Iterable[Result], known: Sequence[Known], *, whole: bool) -> list[str]:
    """Return one line for each difference between a run and the known failures.

    A failure that is not known is one. Without ``unstable``, every test of an entry has to fail.

    whole: the run had all tests, so that an entry without a test is a difference as well.
    """
    lines = []
    matched: dict[str, list[Result]] = {}
    for result in results:
        entry = next((one for one in known if re.search(one.tests, result.name)), None)
        if entry:
            matched.setdefault(entry.tests, []).append(result)
            if result.status != "fail" and not entry.unstable:
                lines.append(f"{result.name}: known to fail, and its result is {result.status}: {entry.tests}")
        elif result.status not in ("success", "skip"):
            last = result.text.strip().splitlines()[-1:] or [""]
            lines.append(f"{result.name}: {result.status}: {last[0]}")
    if whole:
        lines += [f"no test has the name of a known failure: {one.tests}" for one in known if one.tests not in matched]
    return sorted(lines)


def by_reason(results: Iterable[Result], known: Sequence[Known]) -> dict[str, int]:
    """Return how many tests failed for each reason that is known."""
    counts: dict[str, int] = {}
    for result in results:
        if result.status == "fail":
            entry = next((one for one in known if re.search(one.tests, result.name)), None)
            reason = entry.reason if entry else "not known"
            counts[reason] = counts.get(reason, 0) + 1
    return counts
