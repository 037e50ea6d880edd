"""The chart of a run as one SVG element: latencies, answers by release and slow requests on one time axis."""

from __future__ import annotations

import io
from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import blended_transform_factory

from .run_folder import FAST_KINDS, OK, SLOW_KINDS, Mark, Sample
from .shown import shown
from .summary import Summary

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
WIDTH = 11.6
"""Inches, of 72 points each; so are the heights below."""
LATENCY_HEIGHT, RATE_HEIGHT, LANE, LABEL_ROW, GAP = 2.9, 1.1, 0.14, 0.15, 0.45
MOST_LABEL_ROWS = 6
CHARACTER = 0.065
"""The mean width of a character of a label, in inches."""
COLUMNS, MEDIAN_COLUMNS, RATE_COLUMNS = 360, 120, 180
ROWS_PER_DECADE = 12
MOST_FAILURES_DRAWN = 2000
INK, SOFT, LINE, FAILURE_COLOUR = "#1c2530", "#5b6875", "#d9dfe5", "#c8202f"
KIND_COLOURS = {
    "switch": "#5b7fa6",
    "rollback": "#8d5fc4",
    "fault": "#d98200",
    "reload": "#1f9e79",
    "note": "#7a8b99",
}
"""The colours of the marks, by their kinds."""
RELEASE_COLOURS = ("#2f6db5", "#e08e0b", "#1f9e79", "#8d5fc4", "#4aa8d8", "#b5803a", "#7a8b99", "#c25f9e")
MOST_IN_LEGEND = 12
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "grove",
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "legend.labelcolor": SOFT,
    "legend.handlelength": 1,
    "legend.handleheight": 0.8,
    "legend.columnspacing": 1,
}


class Chart:
    """Draws the samples, windows and notes of one run."""

    def __init__(self, summary: Summary, samples: Sequence[Sample], marks: Sequence[Mark]) -> None:
        self.summary = summary
        self.start = summary.run.begun
        self.seconds = max(summary.seconds, 0.1)
        self.notes = [mark for mark in marks if mark.edge == "at"]
        self.fast = [sample for sample in samples if sample.kind in FAST_KINDS]
        self.slow = [sample for sample in samples if sample.kind in SLOW_KINDS]
        releases = dict.fromkeys(sample.release for sample in samples if sample.outcome == OK)
        self.colours = {name: RELEASE_COLOURS[at % len(RELEASE_COLOURS)] for at, name in enumerate(releases)}
        self.tooltips: dict[str, str] = {}

    def draw(self) -> str:
        """Return the SVG element; it refers to nothing outside itself."""
        lanes = sorted({sample.client for sample in self.slow})
        heights = [LATENCY_HEIGHT, RATE_HEIGHT, *([LANE * len(lanes)] if lanes else [])]
        labels = LABEL_ROW * MOST_LABEL_ROWS if self.summary.windows or self.notes else 0.0
        top, bottom = labels + 0.3, 0.4
        height = top + sum(heights) + GAP * (len(heights) - 1) + bottom
        with rc_context(STYLE):  # type: ignore[arg-type,unused-ignore]
            figure = Figure(figsize=(WIDTH, height), facecolor="white")
            grid = figure.add_gridspec(
                len(heights),
                1,
                height_ratios=heights,
                hspace=GAP / (sum(heights) / len(heights)),
                left=0.055,
                right=0.988,
                top=1 - top / height,
                bottom=bottom / height,
            )
            panels = [figure.add_subplot(grid[row]) for row in range(len(heights))]
            self._latency(panels[0])
            self._rate(panels[1])
            if lanes:
                self._slow(panels[2], lanes)
            for panel in panels:
                panel.set_xlim(0, self.seconds)
                panel.xaxis.set_major_locator(MaxNLocator(14, steps=[1, 1.5, 2, 3, 5, 6, 10]))
                self._bands(panel)
            panels[-1].set_xlabel("seconds since the run began", loc="right")
            self._labels(panels[0])
            output = io.StringIO()
            empty = dict.fromkeys(("Creator", "Date", "Format", "Type"))
            figure.savefig(output, format="svg", metadata=empty)
        return self._element(output.getvalue())

    def _element(self, document: str) -> str:
        """Return the document's SVG element, with a tooltip in each group that has one."""
        ElementTree.register_namespace("", SVG)
        ElementTree.register_namespace("xlink", XLINK)
        root = ElementTree.fromstring(document)
        for name in ("width", "height"):
            root.attrib.pop(name)
        words = f"Latency, answers by release and slow requests over {self.seconds:.0f} seconds"
        root.attrib.update({"role": "img", "aria-label": words})
        for metadata in root.findall(f"{{{SVG}}}metadata"):
            root.remove(metadata)
        for group in root.iter(f"{{{SVG}}}g"):
            if tooltip := self.tooltips.get(group.get("id", "")):
                title = ElementTree.Element(f"{{{SVG}}}title")
                title.text = tooltip
                group.insert(0, title)
                group.set("class", group.get("id", "").partition("-")[0])
        return ElementTree.tostring(root, encoding="unicode")

    def _tooltip(self, kind: str, words: str) -> str:
        """Remember a tooltip and return the id of the group that it is for; the group's class is ``kind``."""
        group = f"{kind}-{len(self.tooltips)}"
        self.tooltips[group] = words
        return group

    def _at(self, moment: float) -> float:
        """Return a monotonic time as seconds since the run began."""
        return moment - self.start

    def _latency(self, axes: Axes) -> None:
        axes.set_title("Fast requests: latency, each cell the darker the more requests it holds")
        axes.set_yscale("log")
        answered = [sample for sample in self.fast if sample.outcome == OK]
        latencies = [max(sample.seconds, 1e-6) for sample in self.fast]
        lowest, highest = min(latencies, default=1e-3) / 1.2, max(latencies, default=0.1) * 1.4
        lowest = min(lowest, highest / 10)
        axes.set_ylim(lowest, highest)
        axes.yaxis.set_major_locator(LogLocator(10))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: shown(seconds)))
        axes.grid(axis="y")
        if answered:
            begun = np.array([self._at(sample.begun) for sample in answered])
            durations = np.array([max(sample.seconds, 1e-6) for sample in answered])
            rows = max(2, round(float(np.log10(highest / lowest)) * ROWS_PER_DECADE))
            edges = [np.linspace(0, self.seconds, COLUMNS + 1), np.geomspace(lowest, highest, rows + 1)]
            axes.hist2d(begun, durations, bins=edges, cmin=1, norm=LogNorm(vmin=0.4), cmap="Blues", rasterized=True)
            columns = np.minimum((begun / self.seconds * MEDIAN_COLUMNS).astype(int), MEDIAN_COLUMNS - 1)
            used = np.unique(columns)
            middles = (used + 0.5) * self.seconds / MEDIAN_COLUMNS
            axes.plot(middles, [np.median(durations[columns == at]) for at in used], color=INK, linewidth=1.2)
        delays = self.summary.run.client_delays
        if delays:
            seconds = [*map(float, range(len(delays))), self.seconds]
            axes.stairs([max(delay, lowest) for delay in delays], seconds, baseline=None, color=SOFT, alpha=0.6)
        for sample in [sample for sample in self.fast if sample.outcome != OK][:MOST_FAILURES_DRAWN]:
            group = self._tooltip("failure", f"{sample.outcome}: {sample.detail}")
            at = self._at(sample.begun)
            axes.plot([at], [max(sample.seconds, lowest)], "x", color=FAILURE_COLOUR, markersize=6, mew=1.6, gid=group)
        if slowest := self.summary.slowest:
            at = self._at(slowest.begun)
            axes.plot([at], [slowest.seconds], "o", markerfacecolor="none", markeredgecolor=INK, markersize=7)
            near_end = at > 0.88 * self.seconds
            axes.annotate(
                f"slowest {shown(slowest.seconds)}",
                (at, slowest.seconds),
                xytext=(-7 if near_end else 7, 0),
                textcoords="offset points",
                horizontalalignment="right" if near_end else "left",
                verticalalignment="center",
                color=INK,
                fontweight="bold",
            )

    def _rate(self, axes: Axes) -> None:
        """Draw the fast answers per second as columns, one colour a release, with the failures on top."""
        axes.set_title("Fast answers per second")
        axes.grid(axis="y")
        axes.yaxis.set_major_locator(MaxNLocator(4))
        edges = np.linspace(0, self.seconds, RATE_COLUMNS + 1)
        names = [*self.colours, *([""] if any(sample.outcome != OK for sample in self.fast) else [])]
        base = np.zeros(RATE_COLUMNS)
        for name in names:
            ends = [
                min(self._at(sample.ended), self.seconds)
                for sample in self.fast
                if (sample.release if sample.outcome == OK else "") == name
            ]
            rates = np.histogram(ends, edges)[0] * RATE_COLUMNS / self.seconds
            label = f"release {name}" if name else "failed"
            colour = self.colours.get(name, FAILURE_COLOUR)
            axes.stairs(base + rates, edges, baseline=base, fill=True, facecolor=colour, alpha=0.85, label=label)
            base = base + rates
        axes.set_ylim(0, max(float(base.max()), 1.0) * 1.05)
        handles, words = axes.get_legend_handles_labels()
        if len(names) > MOST_IN_LEGEND:
            hidden = len(names) - MOST_IN_LEGEND + 1
            handles, words = handles[:-hidden], words[:-hidden]
            words[-1] += f", and {hidden} more, colours repeat"
        if handles:
            corner = (1, 0.98)
            axes.legend(handles, words, loc="lower right", bbox_to_anchor=corner, ncols=len(handles), borderaxespad=0)

    def _slow(self, axes: Axes, lanes: Sequence[int]) -> None:
        """Draw each slow request from its beginning to its end, in the colour of the release that answered it."""
        axes.set_title("Slow requests, one row a client, from beginning to end")
        axes.set_ylim(len(lanes), 0)
        axes.set_yticks([])
        for sample in self.slow:
            answered = sample.outcome == OK
            result = f"release {sample.release}" if answered else f"{sample.outcome}: {sample.detail}"
            words = f"{sample.kind}: {sample.sleep:.1f} s at least, took {sample.seconds:.3f} s, {result}"
            axes.broken_barh(
                [(self._at(sample.begun), sample.seconds)],
                (lanes.index(sample.client) + 0.15, 0.7),
                facecolor=self.colours[sample.release] if answered else FAILURE_COLOUR,
                alpha=0.85,
                edgecolor="white",
                linewidth=0.5,
                gid=self._tooltip("slow", words),
            )

    def _bands(self, axes: Axes) -> None:
        """Shade the windows, and draw a line where each begins and at each note."""
        for window in self.summary.windows:
            colour = KIND_COLOURS[window.kind]
            axes.axvspan(window.begin, window.begin + window.seconds, color=colour, alpha=0.13, linewidth=0, zorder=0.5)
            axes.axvline(window.begin, color=colour, alpha=0.75, linewidth=0.8)
        for mark in self.notes:
            axes.axvline(self._at(mark.at), color=KIND_COLOURS["note"], linewidth=0.8, linestyle=(0, (3, 3)))

    def _labels(self, axes: Axes) -> None:
        """Write the names of windows and notes above the chart, each in the first row that has space for it."""
        labels = [
            (window.begin, window.kind, f"{number} {window.label}")
            for number, window in enumerate(self.summary.windows, start=1)
        ]
        labels += [(self._at(mark.at), "note", mark.label) for mark in self.notes]
        per_second = axes.get_position().width * WIDTH / self.seconds
        ends = [0.0] * MOST_LABEL_ROWS
        above = blended_transform_factory(axes.transData, axes.transAxes)
        for begin, kind, words in sorted(labels):
            width = CHARACTER * len(words)
            left = max(0.0, min(begin * per_second, self.seconds * per_second - width))
            row = next((row for row, end in enumerate(ends) if end <= left), MOST_LABEL_ROWS - 1)
            ends[row] = left + width + 0.1
            y = 1 + (0.3 + LABEL_ROW * row) / LATENCY_HEIGHT
            axes.text(left / per_second, y, words, transform=above, color=KIND_COLOURS[kind], fontweight="bold")
