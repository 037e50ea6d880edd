"""The picture of a run as one SVG: latencies, answers by release and slow requests on one time axis."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from html import escape
from statistics import median

from .run_folder import OK, SLOW, Mark, Sample
from .summary import Summary

WIDTH, LEFT, RIGHT = 1160, 62, 14
COLUMN = 3.0
LATENCY_HEIGHT, RATE_HEIGHT, LANE = 270, 110, 13
ROWS_PER_DECADE = 12
LEVELS = 6
GAP = 46
LABEL_ROW, LABEL_ROWS, CHARACTER = 15, 6, 6.2
TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600)
RELEASE_COLOURS = ("#2f6db5", "#e08e0b", "#1f9e79", "#8d5fc4", "#4aa8d8", "#b5803a", "#7a8b99", "#c25f9e")
MOST_FAILURES_DRAWN = 2000


class Plot:
    """Draws the samples and windows of one run."""

    def __init__(self, summary: Summary, samples: Sequence[Sample], marks: Iterable[Mark]) -> None:
        self.summary = summary
        self.samples = samples
        self.notes = [mark for mark in marks if mark.edge == "at"]
        self.start = summary.run.begun
        self.seconds = max(summary.seconds, 0.1)
        self.fast = [sample for sample in samples if sample.kind != SLOW]
        self.slow = [sample for sample in samples if sample.kind == SLOW]
        names = dict.fromkeys(sample.release for sample in samples if sample.outcome == OK)
        self.colours = {name: RELEASE_COLOURS[at % len(RELEASE_COLOURS)] for at, name in enumerate(names)}
        self.parts: list[str] = []

    def x(self, moment: float) -> float:
        """Return the place of a monotonic time."""
        return LEFT + (moment - self.start) / self.seconds * (WIDTH - LEFT - RIGHT)

    def text(self, x: float, y: float, words: str, style: str = "tick", anchor: str = "start") -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{style}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def draw(self) -> str:
        """Return the SVG element."""
        lanes = sorted({sample.client for sample in self.slow})
        rows = self._label_rows()
        top = 10 + LABEL_ROW * (max(rows, default=-1) + 1) + 22
        latency_end = top + LATENCY_HEIGHT
        rate_top = latency_end + GAP
        rate_end = rate_top + RATE_HEIGHT
        lanes_top = rate_end + GAP
        end = lanes_top + LANE * len(lanes) if lanes else rate_end
        self._windows(rows, top, end)
        self._latency(top, latency_end)
        self._rate(rate_top, rate_end)
        if lanes:
            self._slow(lanes, lanes_top)
        self._time_axis([top, rate_top, lanes_top] if lanes else [top, rate_top], end)
        height = end + 34
        return (
            f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="Latency, answers by release and'
            f' slow requests over {self.seconds:.0f} seconds">{"".join(self.parts)}</svg>'
        )

    def _labels(self) -> list[tuple[float, float, str, str]]:
        """Return begin, end, kind and words of each window and note, in order of time; notes end where they begin."""
        found = [
            (self.start + window.begin, self.start + window.begin + window.seconds, window.kind, f"{at} {window.label}")
            for at, window in enumerate(self.summary.windows, start=1)
        ]
        found += [(mark.at, mark.at, "note", mark.label) for mark in self.notes]
        return sorted(found)

    def _label_rows(self) -> list[int]:
        """Return the row of each label: the first in which it meets no other, or the last."""
        ends = [0.0] * LABEL_ROWS
        rows = []
        for begin, _, _, words in self._labels():
            at = min(self.x(begin), WIDTH - RIGHT - CHARACTER * len(words))
            row = next((row for row, end in enumerate(ends) if end <= at), LABEL_ROWS - 1)
            ends[row] = at + CHARACTER * len(words) + 10
            rows.append(row)
        return rows

    def _windows(self, rows: Sequence[int], top: float, end: float) -> None:
        for (begin, until, kind, words), row in zip(self._labels(), rows, strict=True):
            left, width = self.x(begin), max(self.x(until) - self.x(begin), 1.0)
            y = 10 + LABEL_ROW * row
            self.parts.append(
                f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{end - top:.0f}" class="band {kind}"/>'
                f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{y}" y2="{end:.0f}" class="edge {kind}"/>'
            )
            at = min(left + 4, WIDTH - RIGHT - CHARACTER * len(words))
            self.text(at, y + 10, words, f"label {kind}")

    def _time_axis(self, tops: Sequence[float], end: float) -> None:
        step = next((step for step in TIME_STEPS if self.seconds / step <= 14), TIME_STEPS[-1])
        bottoms = [top - GAP for top in tops[1:]] + [end]
        for second in range(0, int(self.seconds) + 1, step):
            x = self.x(self.start + second)
            for bottom in bottoms:
                self.parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{bottom}" y2="{bottom + 4}" class="axis"/>')
                self.text(x, bottom + 16, f"{second}", anchor="middle")
        self.text(WIDTH - RIGHT, end + 31, "seconds since the run began", anchor="end")
        for bottom in bottoms:
            self.parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}" class="axis"/>')

    def _latency(self, top: float, bottom: float) -> None:
        taken = sorted(sample.seconds for sample in self.fast if sample.seconds > 0)
        lowest = 10 ** (math.floor(math.log10(max(taken[0], 1e-4)) * 2) / 2) if taken else 1e-3
        highest = 10 ** (math.ceil(math.log10(max(taken[-1], lowest * 10)) * 2) / 2) if taken else 1.0
        decades = math.log10(highest / lowest)
        scale = (bottom - top) / decades

        def y(seconds: float) -> float:
            return bottom - math.log10(max(seconds, lowest) / lowest) * scale

        self.text(LEFT, top - 7, "Fast requests: latency, each cell the darker the more requests it holds", "title")
        for exponent in range(math.ceil(math.log10(lowest) - 1e-9), math.floor(math.log10(highest) + 1e-9) + 1):
            line = y(10.0**exponent)
            self.parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{line:.1f}" y2="{line:.1f}" class="grid"/>')
            self.text(LEFT - 8, line + 4, shown(10.0**exponent), anchor="end")
        self._heat(y, scale / ROWS_PER_DECADE, lowest)
        self._delays(y, lowest)
        self._median(y)
        failed = [sample for sample in self.fast if sample.outcome != OK][:MOST_FAILURES_DRAWN]
        for sample in failed:
            x, at = self.x(sample.begun), y(sample.seconds)
            self.parts.append(
                f'<path d="M{x - 4:.1f} {at - 4:.1f}l8 8m0-8l-8 8" class="failure"><title>'
                f"{escape(f'{sample.outcome}: {sample.detail}')}</title></path>"
            )
        if self.summary.slowest:
            x, at = self.x(self.summary.slowest.begun), y(self.summary.slowest.seconds)
            self.parts.append(f'<circle cx="{x:.1f}" cy="{at:.1f}" r="5" class="slowest"/>')
            near_end = x > WIDTH - 160
            words = f"slowest {shown(self.summary.slowest.seconds)}"
            self.text(x + (-9 if near_end else 9), at + 4, words, "callout", "end" if near_end else "start")

    def _heat(self, y: Callable[[float], float], height: float, lowest: float) -> None:
        """Draw the cells, those of one darkness as one path."""
        cells: Counter[tuple[int, int]] = Counter()
        for sample in self.fast:
            if sample.outcome == OK:
                row = int(math.log10(max(sample.seconds, lowest) / lowest) * ROWS_PER_DECADE)
                cells[int((self.x(sample.begun) - LEFT) / COLUMN), row] += 1
        most = max(cells.values(), default=1)
        paths: defaultdict[int, list[str]] = defaultdict(list)
        for (column, row), count in cells.items():
            level = 1 + int((LEVELS - 1) * math.log(count) / math.log(most)) if most > 1 else LEVELS
            left, upper = LEFT + column * COLUMN, y(lowest * 10 ** ((row + 1) / ROWS_PER_DECADE))
            paths[level].append(f"M{left:.1f} {upper:.1f}h{COLUMN:g}v{height:.2f}h-{COLUMN:g}z")
        for level, path in sorted(paths.items()):
            self.parts.append(f'<path d="{"".join(path)}" class="heat" opacity="{0.12 + 0.88 * level / LEVELS:.2f}"/>')

    def _median(self, y: Callable[[float], float]) -> None:
        columns: defaultdict[int, list[float]] = defaultdict(list)
        for sample in self.fast:
            if sample.outcome == OK:
                columns[int((self.x(sample.begun) - LEFT) / (3 * COLUMN))].append(sample.seconds)
        points = [
            f"{LEFT + (column + 0.5) * 3 * COLUMN:.1f},{y(median(taken)):.1f}"
            for column, taken in sorted(columns.items())
        ]
        self.parts.append(f'<polyline points="{" ".join(points)}" class="median"/>')

    def _delays(self, y: Callable[[float], float], lowest: float) -> None:
        """Draw how late the client itself was, as steps of a second."""
        steps = [
            f"{'L' if second else 'M'}{self.x(self.start + second):.1f} {y(max(delay, lowest)):.1f}"
            f"H{self.x(min(self.start + second + 1, self.summary.run.ended)):.1f}"
            for second, delay in enumerate(self.summary.run.client_delays)
        ]
        self.parts.append(f'<path d="{"".join(steps)}" class="delay"/>')

    def _rate(self, top: float, bottom: float) -> None:
        """Draw the fast answers per second as columns, one colour a release; failures are on top."""
        width = 2 * COLUMN
        seconds = width / (WIDTH - LEFT - RIGHT) * self.seconds
        columns: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for sample in self.fast:
            key = sample.release if sample.outcome == OK else ""
            columns[int((self.x(sample.ended) - LEFT) / width)][key] += 1
        # The last column is cut short by the end of the run, or belongs to requests that were waited for after it.
        highest = max((counts.total() for counts in columns.values()), default=1) / seconds
        step = 10 ** math.floor(math.log10(highest))
        step = next(step * factor for factor in (0.25, 0.5, 1, 2) if highest / (step * factor) <= 5)
        self.text(LEFT, top - 7, "Fast answers per second", "title")
        self._legend(top - 7)
        scale = (bottom - top) / (math.ceil(highest / step) * step)
        for number in range(math.ceil(highest / step) + 1):
            line = bottom - number * step * scale
            self.parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{line:.1f}" y2="{line:.1f}" class="grid"/>')
            self.text(LEFT - 8, line + 4, f"{number * step:g}", anchor="end")
        paths: defaultdict[str, list[str]] = defaultdict(list)
        for column, counts in sorted(columns.items()):
            base = bottom
            for name in [*self.colours, ""]:
                if counts[name]:
                    height = counts[name] / seconds * scale
                    base -= height
                    left = LEFT + column * width
                    paths[name].append(f"M{left:.1f} {base:.1f}h{width:g}v{height:.1f}h-{width:g}z")
        for name, path in paths.items():
            style = f'fill="{self.colours[name]}" opacity="0.85"' if name else 'class="failed"'
            self.parts.append(f'<path d="{"".join(path)}" {style}/>')

    def _legend(self, y: float) -> None:
        entries = [(f"release {name}", f'fill="{colour}"') for name, colour in self.colours.items()]
        if any(sample.outcome != OK for sample in self.samples):
            entries.append(("failed", 'class="failed"'))
        if len(entries) > 12:
            entries = [*entries[:11], (f"and {len(entries) - 11} more, colours repeat", 'fill="none"')]
        x = WIDTH - RIGHT - sum(22 + CHARACTER * len(words) for words, _ in entries)
        for words, style in entries:
            self.parts.append(f'<rect x="{x:.1f}" y="{y - 8:.0f}" width="9" height="9" rx="1.5" {style}/>')
            self.text(x + 13, y, words)
            x += 22 + CHARACTER * len(words)

    def _slow(self, lanes: Sequence[int], top: float) -> None:
        """Draw each slow request from its beginning to its end, in the colour of the release that answered it."""
        self.text(LEFT, top - 7, "Slow requests, one row a client, from beginning to answer", "title")
        for sample in self.slow:
            lane = lanes.index(sample.client)
            left, width = self.x(sample.begun), max(self.x(sample.ended) - self.x(sample.begun) - 1, 1)
            ok = sample.outcome == OK
            style = f'fill="{self.colours[sample.release]}" opacity="0.85"' if ok else 'class="failed"'
            what = f"release {sample.release}" if ok else f"{sample.outcome}: {sample.detail}"
            words = f"{sample.asked:.1f} s asked, {sample.seconds:.3f} s taken, {what}"
            self.parts.append(
                f'<rect x="{left:.1f}" y="{top + lane * LANE + 2:.0f}" width="{width:.1f}" height="{LANE - 4}" rx="2"'
                f" {style}><title>{escape(words)}</title></rect>"
            )


def shown(seconds: float | None) -> str:
    """Return a time for people: three digits at most, in the unit that fits."""
    if seconds is None:
        return "n/a"
    if seconds < 5e-7:
        return "0"
    for least, factor, unit in ((1, 1, "s"), (1e-3, 1e3, "ms"), (0, 1e6, "µs")):
        if seconds >= least * 0.9995:
            value = seconds * factor
            digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
            number = f"{value:.{digits}f}"
            return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"
    raise ValueError(f"a time cannot be {seconds}")
