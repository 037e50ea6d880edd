"""A pytest plugin for the checks in this folder. It sets their hosts, order and short form, and prints their table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from served import Host
from switch_host import REPOSITORY, SwitchHost

MODULES = ("test_planned", "test_broken", "test_killed", "test_neighbours", "test_hooks")
"""The order of the modules: later ones deploy on top of what earlier ones left."""
TIME_LIMIT = 1500
"""Seconds for one check."""
HEADINGS = ("host", "part and its windows", "requests", "failed", "mixed", "slowest fast, s", "seconds")
OnEachHost = Callable[[Callable[[SwitchHost], None]], None]
HOSTS = pytest.StashKey[list[SwitchHost]]()


@dataclass(frozen=True)
class Rounds:
    """How much the checks do.

    ``deployments`` of new releases are the first of the ``switches``, and the others go round among these releases.
    ``rollbacks`` and ``switches`` are totals, ``requests`` is the least number of requests of clients meanwhile.
    ``refusals`` is the number of releases that are refused, or None for all cases.
    """

    deployments: int = 3
    switches: int = 20
    rollbacks: int = 5
    requests: int = 20_000
    refusals: int | None = None


SHORT = Rounds(deployments=2, switches=6, rollbacks=2, requests=500, refusals=1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --short."""
    parser.addoption("--short", action="store_true", help="only the checks marked short, with few rounds")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "short: part of the short form")
    config.stash[HOSTS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the checks and give each a time limit. With --short, deselect the checks that are not marked short."""
    items.sort(key=lambda item: MODULES.index(item.path.stem))
    for item in items:
        item.add_marker(pytest.mark.timeout(TIME_LIMIT))
    if config.getoption("--short"):
        config.hook.pytest_deselected(items=[item for item in items if not item.get_closest_marker("short")])
        items[:] = [item for item in items if item.get_closest_marker("short")]


@pytest.fixture(scope="session")
def rounds(pytestconfig: pytest.Config) -> Rounds:
    """The numbers of deployments, switches and rollbacks in this form of the scenario."""
    return SHORT if pytestconfig.getoption("--short") else Rounds()


@pytest.fixture(scope="session")
def switch_hosts(hosts: dict[str, Host], pytestconfig: pytest.Config) -> list[SwitchHost]:
    """The scenario's hosts; their reports are in .cache/SCENARIO/HOST/."""
    reports = REPOSITORY / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"]
    switch_hosts = [SwitchHost(host.name, host.container, host.apps, reports / host.name) for host in hosts.values()]
    for host in switch_hosts:
        host.folder.mkdir(parents=True, exist_ok=True)
    pytestconfig.stash[HOSTS].extend(switch_hosts)
    return switch_hosts


@pytest.fixture
def on_each_host(switch_hosts: list[SwitchHost]) -> OnEachHost:
    """A function that calls its argument for every host, at the same time on all; fails with the failures of all."""

    def call(part: Callable[[SwitchHost], None]) -> None:
        with ThreadPoolExecutor(len(switch_hosts)) as pool:
            calls = [(host, pool.submit(part, host)) for host in switch_hosts]
        failures = {host.name: error for host, future in calls if (error := future.exception())}
        for name, error in failures.items():
            error.add_note(f"on {name}")
        if failures:
            raise BaseExceptionGroup(f"failed on {', '.join(failures)}", list(failures.values()))

    return call


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured, and write each host's share to its report.txt."""
    hosts = config.stash[HOSTS]
    for host in hosts:
        (host.folder / "report.txt").write_text("\n".join([*table(host.figures), *host.notes]) + "\n")
    if hosts:
        terminalreporter.section("what was measured")
        for line in table([row for host in hosts for row in host.figures]):
            terminalreporter.write_line(line)
        for host in hosts:
            for note in host.notes:
                terminalreporter.write_line(f"{host.name}: {note}")
        terminalreporter.write_line(f"the reports are in {hosts[0].folder.parent}/HOST/")


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the rows below their headings, in columns; words are on the left, figures on the right."""
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = []
    for row in (HEADINGS, *rows):
        cells = zip(row, widths, strict=True)
        padded = [cell.ljust(width) if at < 2 else cell.rjust(width) for at, (cell, width) in enumerate(cells)]
        lines.append("  ".join(padded))
    return lines
