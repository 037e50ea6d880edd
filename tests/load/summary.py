"""The figures of a run."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from .run_folder import CLIENT_KINDS, FAST_KINDS, MIXED, OK, SLOW_KINDS, Mark, Run, RunFolder, Sample

FIRST_FAILURES = 50


@dataclass(frozen=True)
class Figures:
    """The figures of a set of requests. Times are in seconds, and None when the set has no such request.

    ``failed`` counts every request whose answer is not a 200 that names one release; ``mixed`` is a part of it. The
    latencies are those of fast requests that did not fail. ``slow_overhead`` is the longest time that a request of the
    other kinds took beyond the seconds that it takes at least.
    """

    requests: int
    failed: int
    mixed: int
    retried: int
    by_outcome: dict[str, int]
    releases: dict[str, int]
    p50: float | None
    p99: float | None
    slowest_fast: float | None
    slow_overhead: float | None

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Figures:
        well = [sample for sample in samples if sample.outcome == OK]
        fast = sorted(sample.seconds for sample in well if sample.kind in FAST_KINDS)
        slow = [sample.seconds - sample.sleep for sample in well if sample.kind in SLOW_KINDS]
        outcomes = Counter(sample.outcome for sample in samples if sample.outcome != OK)
        return cls(
            requests=len(samples),
            failed=outcomes.total(),
            mixed=outcomes[MIXED],
            retried=sum(sample.retried for sample in samples),
            by_outcome=dict(outcomes.most_common()),
            releases=dict(Counter(sample.release for sample in samples if sample.release)),
            p50=percentile(fast, 50),
            p99=percentile(fast, 99),
            slowest_fast=fast[-1] if fast else None,
            slow_overhead=round(max(slow), 6) if slow else None,
        )


@dataclass(frozen=True)
class Window:
    """The time between two marks; ``begin`` is in seconds since the run began.

    A request belongs to a window when it was under way at any moment of the window. ``handover`` is for how many
    seconds two releases answered new requests side by side, counted until the next window begins. It is None when the
    release did not change.
    """

    kind: str
    label: str
    begin: float
    seconds: float
    handover: float | None
    figures: Figures


@dataclass(frozen=True)
class Summary:
    """All figures of a run; ``silence`` is the longest time, in seconds, in which no fast request ended well."""

    run: Run
    seconds: float
    total: Figures
    by_client: dict[str, Figures]
    windows: list[Window]
    outside: Figures
    silence: float | None
    slowest: Sample | None
    failures: list[Sample]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the smallest value that is at least as large as ``percent`` of the ordered values (nearest rank)."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else None


def spans(marks: Iterable[Mark], run: Run) -> list[tuple[Mark, float]]:
    """Return each begin mark with the time of its end: that of its end mark, or the run's if it has none."""
    windows: list[tuple[Mark, float]] = []
    still_open: dict[tuple[str, str], int] = {}
    for mark in sorted(marks, key=lambda mark: mark.at):
        if mark.edge == "begin":
            still_open[mark.kind, mark.label] = len(windows)
            windows.append((mark, run.ended))
        elif mark.edge == "end" and (mark.kind, mark.label) in still_open:
            number = still_open.pop((mark.kind, mark.label))
            windows[number] = (windows[number][0], mark.at)
    return windows


def summarize(folder: RunFolder) -> Summary:
    """Compute the figures of the run in ``folder`` and write them to its summary.json."""
    run, samples, marks = folder.read_run(), folder.read_samples(), folder.read_marks()
    marked = spans(marks, run)
    fast = [sample for sample in samples if sample.kind in FAST_KINDS and sample.outcome == OK]
    windows = []
    inside: set[int] = set()
    for number, (mark, end) in enumerate(marked):
        own = [at for at, sample in enumerate(samples) if sample.begun <= end and sample.ended >= mark.at]
        inside.update(own)
        until = marked[number + 1][0].at if number + 1 < len(marked) else run.ended
        windows.append(
            Window(
                kind=mark.kind,
                label=mark.label,
                begin=round(mark.at - run.begun, 3),
                seconds=round(end - mark.at, 3),
                handover=handover([sample for sample in fast if mark.at <= sample.begun < until]),
                figures=Figures.of([samples[at] for at in own]),
            )
        )
    summary = Summary(
        run=run,
        seconds=round(run.ended - run.begun, 3),
        total=Figures.of(samples),
        by_client={kind: Figures.of([sample for sample in samples if sample.kind == kind]) for kind in CLIENT_KINDS},
        windows=windows,
        outside=Figures.of([sample for at, sample in enumerate(samples) if at not in inside]),
        silence=silence(fast),
        slowest=max(fast, key=lambda sample: sample.seconds, default=None),
        failures=[sample for sample in samples if sample.outcome != OK][:FIRST_FAILURES],
    )
    folder.summary.write_text(json.dumps(summary.as_json(), indent=2) + "\n")
    return summary


def handover(fast: Sequence[Sample]) -> float | None:
    """Return for how many seconds the last release and others answered new requests side by side."""
    if not fast:
        return None
    new = fast[-1].release
    others = [sample.begun for sample in fast if sample.release != new]
    if not others:
        return None
    return round(max(0.0, max(others) - min(sample.begun for sample in fast if sample.release == new)), 4)


def silence(fast: Sequence[Sample]) -> float | None:
    """Return the longest time between two fast requests that ended well, one after the other, in seconds."""
    ends = sorted(sample.ended for sample in fast)
    return round(max((late - early for early, late in pairwise(ends)), default=0.0), 6) if ends else None
