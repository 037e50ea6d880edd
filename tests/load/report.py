"""The report of a run: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from .plot import Plot, shown
from .run_folder import CLIENT_KINDS, RunFolder
from .summary import Figures, Summary, summarize

TITLE = "Load while releases are replaced"
STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5b6875; --line: #d9dfe5; --paper: #fff; --tile: #f5f7f9;
  --heat: #2f6db5; --bad: #c8202f; --good: #18794e;
  --switch: #5b7fa6; --rollback: #8d5fc4; --fault: #d98200; --reload: #1f9e79; --note: #7a8b99; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --soft: #9aa7b4; --line: #36404b; --paper: #14191f;
  --tile: #1d242c; --heat: #6aa9ec; --bad: #ff6b74; --good: #4cc38a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 32px 24px 48px; max-width: 1210px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 25px; line-height: 1.25; margin: 0 0 4px; } h2 { font-size: 17px; margin: 36px 0 8px; }
p { margin: 4px 0; max-width: 84ch; } .soft { color: var(--soft); }
.verdict { font-size: 17px; font-weight: 600; margin: 14px 0 18px; }
.good { color: var(--good); } .bad { color: var(--bad); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); gap: 10px; margin: 0 0 24px; }
.tile { background: var(--tile); border-radius: 7px; padding: 10px 13px; }
.tile b { display: block; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; }
.scroll { overflow-x: auto; } svg { display: block; width: 100%; min-width: 760px; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; white-space: normal; }
td.name, th.name { text-align: left; }
td.wrap { white-space: normal; } tr.sum td { font-weight: 600; }
td.bad { font-weight: 700; }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 2px; margin-right: 7px; }
svg text { paint-order: stroke; stroke: var(--paper); stroke-width: 3px; stroke-linejoin: round; }
svg text { font: 11px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: var(--soft); }
svg .title { fill: var(--ink); font-size: 12.5px; font-weight: 600; }
svg .callout { fill: var(--ink); font-weight: 600; }
svg .grid { stroke: var(--line); stroke-width: 1; } svg .axis { stroke: var(--soft); stroke-width: 1; }
svg .heat { fill: var(--heat); }
svg .median { fill: none; stroke: var(--ink); stroke-width: 1.4; stroke-linejoin: round; }
svg .delay { fill: none; stroke: var(--soft); stroke-width: 1; opacity: 0.6; }
svg .slowest { fill: none; stroke: var(--ink); stroke-width: 1.5; }
svg .failure { fill: none; stroke: var(--bad); stroke-width: 2; } .failed { fill: var(--bad); background: var(--bad); }
svg .band { opacity: 0.13; } svg .edge { stroke-width: 1; opacity: 0.75; } svg .edge.note { stroke-dasharray: 3 3; }
""" + "".join(
    f"svg .band.{kind} {{ fill: var(--{kind}); }} svg .edge.{kind} {{ stroke: var(--{kind}); }}"
    f" svg .label.{kind} {{ fill: var(--{kind}); font-weight: 600; }} .dot.{kind} {{ background: var(--{kind}); }}\n"
    for kind in ("switch", "rollback", "fault", "reload", "note")
)
HEADINGS = (*("requests", "failed", "mixed", "retried", "p50", "p99", "slowest fast", "slow, beyond sleep"),)


def write(folder: RunFolder, title: str = TITLE) -> str:
    """Compute the figures of the run in ``folder``, write its report, and return the report's path."""
    summary = summarize(folder)
    folder.report.write_text(page(summary, Plot(summary, folder.read_samples(), folder.read_marks()).draw(), title))
    return str(folder.report)


def line(total: Figures) -> str:
    """Return the figures that matter most in one line."""
    return (
        f"{total.requests} requests, {total.failed} failed, {total.mixed} mixed, {total.retried} retried; fast ones:"
        f" median {shown(total.p50)}, 99 % {shown(total.p99)}, slowest {shown(total.slowest_fast)}"
    )


def page(summary: Summary, picture: str, title: str) -> str:
    """Return the HTML document."""
    run, total = summary.run, summary.total
    when = datetime.fromtimestamp(run.wall, UTC)
    clients = ", ".join(f"{count} {kind}" for kind, count in run.clients.items() if count)
    switches = sum(window.handover is not None for window in summary.windows)
    by_client = "".join(client_rows(summary))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<p class="soft">{escape(run.target)} · {when:%Y-%m-%d %H:%M:%S} UTC · {summary.seconds:.0f} s · clients: {clients}</p>
<p class="verdict {"bad" if total.failed else "good"}">{verdict(total, switches)}</p>
<div class="tiles">{"".join(tiles(summary))}</div>
<div class="scroll">{picture}</div>
<p class="soft">Line: median of the fast requests. Grey steps: how late the client itself was at worst in that second.
Shaded: the windows of the table below. Point at a slow request or a failure for its details.</p>
{windows_table(summary)}
<h2>By client</h2>
<div class="scroll"><table><thead>{heading("client")}</thead><tbody>{by_client}</tbody></table></div>
{failures_table(summary)}
<h2>How it was measured</h2>
{"".join(f"<p>{escape(text)}</p>" for text in method(summary))}
</body></html>
"""


def verdict(total: Figures, switches: int) -> str:
    """Return the sentence at the top."""
    handed = f" while traffic was handed over {switches} time{'s' * (switches != 1)}" if switches else ""
    if not total.requests:
        return "No request was sent."
    if not total.failed:
        return f"Every one of {grouped(total.requests)} requests was answered 200 by one release{handed}."
    kinds = ", ".join(f"{grouped(count)} {kind}" for kind, count in total.by_outcome.items())
    return f"{grouped(total.failed)} of {grouped(total.requests)} requests failed{handed}: {escape(kinds)}."


def tiles(summary: Summary) -> Iterable[str]:
    """Yield the large figures."""
    total = summary.total
    for words, value, bad in (
        ("requests", grouped(total.requests), False),
        ("failed", grouped(total.failed), total.failed),
        ("of these mixed", grouped(total.mixed), total.mixed),
        ("slowest fast request", shown(total.slowest_fast), False),
        ("99 % of fast within", shown(total.p99), False),
        ("median of fast", shown(total.p50), False),
        ("longest silence", shown(summary.silence), False),
        ("retried, as RFC 9112 allows", grouped(total.retried), False),
    ):
        yield f'<div class="tile"><b{mark_bad(bad)}>{value}</b><span>{words}</span></div>'


def windows_table(summary: Summary) -> str:
    """Return the table of switches, rollbacks and faults; nothing where there was none."""
    if not summary.windows:
        return ""
    rows = []
    for number, window in enumerate(summary.windows, start=1):
        name = f'<span class="dot {window.kind}"></span>{number} {escape(window.label)}'
        releases = " → ".join(window.figures.releases)
        more = [
            ("name", escape(window.kind)),
            ("", f"{window.begin:.1f}"),
            ("", f"{window.seconds:.1f}"),
            ("name", escape(releases)),
            ("", shown(window.handover)),
        ]
        rows.append(row(name, window.figures, more))
    rows.append(row("the rest of the run", summary.outside, [("", "")] * 5))
    more_headings = [("name", "kind"), ("", "at s"), ("", "for s"), ("name", "releases"), ("", "side by side")]
    return (
        "<h2>Switches, rollbacks and faults</h2>"
        f'<div class="scroll"><table><thead>{heading("window", more_headings)}</thead><tbody>{"".join(rows)}</tbody>'
        '</table></div><p class="soft">A request belongs to each window in which it was under way. Side by side: for'
        " how long new requests were answered by both releases.</p>"
    )


def client_rows(summary: Summary) -> Iterable[str]:
    """Yield a row for each kind of client, and the sum."""
    for kind in CLIENT_KINDS:
        if summary.run.clients.get(kind):
            yield row(f"{summary.run.clients[kind]} {kind}", summary.by_client[kind])
    yield row("all", summary.total, style="sum")


def failures_table(summary: Summary) -> str:
    """Return the table of the first failures; nothing where there was none."""
    if not summary.failures:
        return ""
    rows = [
        f'<tr><td>{sample.begun - summary.run.begun:.3f}</td><td class="name">{sample.kind} {sample.client}</td>'
        f'<td class="name">{escape(sample.outcome)}</td><td>{shown(sample.seconds)}</td>'
        f'<td class="name wrap">{escape(sample.detail)}</td></tr>'
        for sample in summary.failures
    ]
    return (
        f"<h2>Failures{f', the first {len(rows)}' if summary.total.failed > len(rows) else ''}</h2>"
        '<div class="scroll"><table><thead><tr><th>at s</th><th class="name">client</th><th class="name">kind</th>'
        f'<th>after</th><th class="name">detail</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def method(summary: Summary) -> Iterable[str]:
    """Yield sentences on what the figures mean."""
    run, connections = summary.run, summary.run.connections
    yield (
        f"Each client sends a request, waits for the whole answer, pauses {run.pause * 1000:.0f} ms and goes on; slow"
        " clients ask the application to sleep. Failed is everything but an answer 200 in which code, virtualenv,"
        " configuration and a module imported during the request name one release; mixed is one in which they disagree."
    )
    idle = (
        f" (idle before that: {', '.join(shown(idle) for idle in connections.retry_idle)})"
        if connections.retry_idle
        else ""
    )
    yield (
        f"Kept-alive connections: {grouped(connections.opened)} opened, {grouped(connections.announced)} closed by the"
        f" server with its answer, {grouped(connections.closed_idle)} found closed before a request was sent,"
        f" {grouped(connections.retried)} closed between request and answer and asked again on a new connection{idle}."
    )
    releases = ", ".join(f"{name}: {grouped(count)}" for name, count in summary.total.releases.items())
    yield f"Answers by release: {releases or 'none'}."
    yield (
        f"The client itself was late by {shown(max(run.client_delays, default=None))} at worst, for want of a"
        " processor; where the picture's grey steps are high, the machine was busy, and latencies tell of that."
        f" Silence is time in which no fast request ended well. The run was stopped by: {run.stopped_by}."
    )


def heading(first: str, more: Sequence[tuple[str, str]] = ()) -> str:
    """Return the table's first row."""
    cells = [("name", first), *more, *(("", words) for words in HEADINGS)]
    return f"<tr>{''.join(f'<th{css(style)}>{words}</th>' for style, words in cells)}</tr>"


def row(name: str, figures: Figures, more: Sequence[tuple[str, str]] = (), style: str = "") -> str:
    """Return a row of figures; ``name`` is HTML."""
    cells = [
        ("name", name),
        *more,
        ("", grouped(figures.requests)),
        ("bad" if figures.failed else "", grouped(figures.failed)),
        ("bad" if figures.mixed else "", grouped(figures.mixed)),
        ("", grouped(figures.retried)),
        *(("", shown(value)) for value in (figures.p50, figures.p99, figures.slowest_fast, figures.slow_overhead)),
    ]
    return f"<tr{css(style)}>{''.join(f'<td{css(kind)}>{text}</td>' for kind, text in cells)}</tr>"


def css(name: str) -> str:
    """Return a class attribute, or nothing."""
    return f' class="{name}"' if name else ""


def mark_bad(count: int | bool) -> str:
    """Return the attribute of a figure that ought to be zero and is not."""
    return css("bad" if count else "")


def grouped(number: int) -> str:
    """Return a number with its thousands apart."""
    return f"{number:,}".replace(",", "\u202f")
