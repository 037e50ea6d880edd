"""The page of bench/servers.py: one HTML file with plots and all figures, which needs nothing else."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from matplotlib import rc_context
from matplotlib.figure import Figure
from server_figures import GROVE, NAMES, Measured, Row, failures, shown, title
from server_peers import APPS, PEERS

TEMPLATE = Path(__file__).with_name("server_page.html.j2")
PLOTS = ("requests a second", "CPU of a request", "p99")
BETTER = {"requests a second": "more is better", "CPU of a request": "less is better", "p99": "less is better"}
WIDTH, ROW_HEIGHT, AROUND = 11.6, 0.2, 1.6
"""Inches: the width of a plot, the height of one server with one number of clients, and of title and axis."""
COLOURS = ("#9db8d9", "#2f6db5", "#e08e0b", "#1f9e79", "#8d5fc4", "#7a8b99")
INK, SOFT, LINE = "#1c2530", "#5b6875", "#d9dfe5"
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "grove",
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": INK,
    "grid.color": LINE,
    "legend.frameon": False,
}


def plot(rows: Sequence[Row], app: str) -> str:
    """Return an SVG element with the ratios to Grove of all servers that served an application."""
    mine = [row for row in rows if row.app == app and row.server != GROVE]
    servers = list(dict.fromkeys((row.server, row.pieces) for row in mine))[::-1]
    clients = list(dict.fromkeys(row.clients for row in mine))
    height = 0.8 / max(len(clients), 1)
    with rc_context(STYLE):  # type: ignore[arg-type,unused-ignore]
        figure = Figure(figsize=(WIDTH, AROUND + ROW_HEIGHT * len(servers) * max(len(clients) * 0.6, 1)))
        panels = figure.subplots(1, len(PLOTS), sharey=True)
        for panel, name in zip(panels, PLOTS, strict=True):
            panel.set_title(f"{name} ({BETTER[name]})")
            panel.set_xlabel("multiple of Grove's")
            panel.grid(axis="x")
            panel.set_xscale("log")
            for at, number in enumerate(clients):
                ratios = {(row.server, row.pieces): row.ratio[name] for row in mine if row.clients == number}
                bars = [(place, ratios.get(server)) for place, server in enumerate(servers)]
                places = [place + 0.4 - height * (at + 0.5) for place, ratio in bars if ratio]
                widths = [ratio - 1 for _, ratio in bars if ratio]
                colour = COLOURS[at % len(COLOURS)]
                panel.barh(places, widths, height, left=1, color=colour, label=f"{number} clients")
            panel.axvline(1, color=INK, linewidth=0.8)
            panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            panel.xaxis.set_minor_formatter(lambda value, _: "")
        panels[0].set_yticks(range(len(servers)), [title(*server) for server in servers])
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower center", ncols=max(len(labels), 1))
        figure.tight_layout(rect=(0, 0.5 / figure.get_figheight(), 1, 1))
        output = io.StringIO()
        figure.savefig(output, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return re.sub(r"^.*?(?=<svg)", "", output.getvalue(), flags=re.DOTALL)


def absolute(name: str, value: float | None) -> str:
    """Return a figure with its unit."""
    if value is None:
        return "-"
    if name == "requests a second":
        return f"{value:.0f}"
    if name in ("memory", "largest process"):
        return f"{value / 1024:.0f} MB"
    return f"{value * 1e6:.0f} us" if name == "CPU of a request" else f"{value * 1e3:.1f} ms"


def page(rows: Sequence[Row], measured: Sequence[Measured], about: Mapping[str, str]) -> str:
    """Return the page."""
    loads = sorted(one.load_average for one in measured)
    templates = Environment(
        loader=FileSystemLoader(TEMPLATE.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    templates.filters.update(shown=shown, failures=failures)
    apps = list(dict.fromkeys(row.app for row in rows))
    return templates.get_template(TEMPLATE.name).render(
        apps=[(name, APPS[name].what, plot(rows, name), [row for row in rows if row.app == name]) for name in apps],
        names=NAMES,
        about=about,
        peers=[(peer.name, peer.what) for peer in PEERS.values() if any(row.server == peer.name for row in rows)],
        title=title,
        absolute=absolute,
        rounds=1 + max(one.half for one in measured) // 2,
        loads=(loads[0], loads[len(loads) // 2], loads[-1]),
    )
