"""The report of a run: one HTML file that needs nothing else. ``report.html.j2`` is its page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .chart import KIND_COLOURS, Chart
from .run_folder import RunFolder
from .shown import grouped, shown
from .summary import Figures, summarize

TITLE = "Load while releases are replaced"
TEMPLATE = Path(__file__).with_name("report.html.j2")


def write(folder: RunFolder, title: str = TITLE) -> str:
    """Compute the figures of the run in ``folder``, write its report, and return the report's path."""
    summary = summarize(folder)
    run = summary.run
    templates = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(shown=shown, grouped=grouped)
    page = templates.get_template(TEMPLATE.name).render(
        title=title,
        summary=summary,
        run=run,
        total=summary.total,
        connections=run.connections,
        when=f"{datetime.fromtimestamp(run.wall, UTC):%Y-%m-%d %H:%M:%S}",
        clients=", ".join(f"{count} {kind}" for kind, count in run.clients.items() if count),
        verdict=verdict(summary.total, sum(window.handover is not None for window in summary.windows)),
        chart=Chart(summary, folder.read_samples(), folder.read_marks()).draw(),
        colours=KIND_COLOURS,
        client_delay=max(run.client_delays, default=None),
    )
    folder.report.write_text(page)
    return str(folder.report)


def line(total: Figures) -> str:
    """Return the figures that matter most in one line."""
    return (
        f"{total.requests} requests, {total.failed} failed, {total.mixed} mixed, {total.retried} retried; fast ones:"
        f" median {shown(total.p50)}, 99 % {shown(total.p99)}, slowest {shown(total.slowest_fast)}"
    )


def verdict(total: Figures, handovers: int) -> str:
    """Return the sentence at the top."""
    during = f" while traffic was handed over {handovers} time{'s' * (handovers != 1)}" if handovers else ""
    if not total.requests:
        return "No request was sent."
    if not total.failed:
        return f"Every one of {grouped(total.requests)} requests was answered 200 by one release{during}."
    kinds = ", ".join(f"{grouped(count)} {kind}" for kind, count in total.by_outcome.items())
    return f"{grouped(total.failed)} of {grouped(total.requests)} requests failed{during}: {kinds}."
