"""The host of a check in this folder: that of the scenario switch, with clients that use its application."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from handover_host import HandoverHost
from served import Host
from switch_host import REPOSITORY

LAST = "test_enough"
"""The module that counts what the others have done."""
TIME_LIMIT = 3600
"""Seconds for one check."""
TOTALS: dict[str, Counter[str]] = {}
"""By the name of the host."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "short: part of the short form of the scenario")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the checks, and give each a time limit."""
    items.sort(key=lambda item: item.path.stem == LAST)
    for item in items:
        item.add_marker(pytest.mark.timeout(TIME_LIMIT))


@pytest.fixture
def server(host: Host, request: pytest.FixtureRequest) -> Iterator[HandoverHost]:
    """The host of the check; its reports are in .cache/SCENARIO/HOST/."""
    folder = REPOSITORY / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"] / host.name
    folder.mkdir(parents=True, exist_ok=True)
    totals = TOTALS.setdefault(host.name, Counter())
    server = HandoverHost(host.name, host.container, host.apps, folder, totals=totals)
    yield server
    lines = [*("  ".join(row) for row in server.figures), *server.notes]
    with (folder / "report.txt").open("a") as report:
        report.write("\n".join([request.node.name, *lines]) + "\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    for name, totals in TOTALS.items():
        counts = ", ".join(f"{totals[what]} {what}" for what in ("handovers", "requests", "failed"))
        report = f".cache/{os.environ['MOLECULE_SCENARIO_NAME']}/{name}/report.txt"
        terminalreporter.write_line(f"{name}: {counts}, where none may fail; {report} has the figures of each check")
