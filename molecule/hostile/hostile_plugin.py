"""A pytest plugin for the checks in this folder: their form, their attacks, and the table of what was measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from load import hostile
from load.process import under_load
from load.summary import Summary, summarize
from served import Host

REPOSITORY = Path(__file__).parents[2]
LOAD = ("--keep-alive", "2", "--fresh", "4", "--slow", "0", "--pause", "0.1", "--timeout", "30")
"""Options of the clients that are not hostile: about 50 requests a second."""
HEADINGS = ("host", "load", "requests", "failed", "p50, ms", "p99, ms", "idle p99, ms")
CONNECT = 2.0
"""Seconds that the hostile clients have before the other clients are measured."""
TABLE = pytest.StashKey[list[tuple[str, ...]]]()


@dataclass(frozen=True)
class Form:
    """How much is tried, and what is expected.

    attack, idle: seconds of each attack, and of the measurement without one. kept: the number of kept clients. ratio:
    how many times the p99 without an attack the p99 during the attack may be. noise: seconds; a p99 below this says
    more about the machine than about the server.
    """

    attack: float = 60.0
    idle: float = 10.0
    kept: int = 2000
    ratio: float = 2.0
    noise: float = 0.05


# The short form runs on machines that have other work to do. Without the protection the p99 is 20 seconds.
SHORT = Form(attack=10.0, idle=5.0, kept=500, ratio=20.0, noise=3.0)


@dataclass
class Attack:
    """A running attack; ``report`` is complete after its end."""

    report: hostile.Report = field(default_factory=hostile.Report)


@dataclass(frozen=True)
class Target:
    """A host, and what is measured on it."""

    host: Host
    folder: Path
    form: Form
    rows: list[tuple[str, ...]]

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:{self.host.app('load')['listen']}"

    @contextmanager
    def attack(self, kind: str, path: str, clients: int, *, addresses: int = 0, **more: float) -> Iterator[Attack]:
        """Let hostile clients run during the block: from this machine, or from addresses of the host itself.

        They connect to the application ``load``; handshakes go to ``secure``, which speaks TLS.
        """
        port = self.host.app("secure" if kind == "handshakes" else "load")["listen"]
        options = {"clients": clients, "addresses": addresses, "seconds": 600, **more}
        words = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        if addresses:
            url = f"http://127.0.0.1:{port}{path}"
            command = ["podman", "exec", "--interactive", self.host.container]
            command += ["python3", "-", kind, url, *words]
        else:
            command = [sys.executable, hostile.__file__, kind, f"http://{self.host.address}:{port}{path}", *words]
        running = Attack()
        source = Path(hostile.__file__).read_text()
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        if addresses:
            process.stdin.write(source)
        process.stdin.close()
        process.stdin = None
        try:
            yield running
        finally:
            if addresses:
                self.host.try_run("pkill", "-TERM", "-f", f"python3 - {kind}")
            else:
                process.terminate()
            output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        running.report = hostile.Report(**json.loads(output))

    def measure(self, name: str, seconds: float, *options: str) -> Summary:
        """Put the load of other clients on the host, and return what they measured."""
        folder = self.folder / name.replace(" ", "-")
        with under_load(self.url, folder, *LOAD, "--seconds", str(seconds), *options) as run:
            time.sleep(seconds)
        return summarize(run)

    def row(self, name: str, measured: Summary, idle: Summary | None = None) -> None:
        """Add a row to the table."""
        figures = (measured.total.p50, measured.total.p99, idle.total.p99 if idle else None)
        cells = ["" if figure is None else f"{figure * 1000:.1f}" for figure in figures]
        self.rows.append((self.host.name, name, str(measured.total.requests), str(measured.total.failed), *cells))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --short."""
    parser.addoption("--short", action="store_true", help="only the checks marked short, for some seconds each")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "short: part of the short form")
    config.stash[TABLE] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --short, deselect the checks that are not marked short."""
    if config.getoption("--short"):
        config.hook.pytest_deselected(items=[item for item in items if not item.get_closest_marker("short")])
        items[:] = [item for item in items if item.get_closest_marker("short")]


@pytest.fixture
def target(host: Host, pytestconfig: pytest.Config) -> Target:
    """The host that is attacked; the reports are in .cache/SCENARIO/HOST/."""
    form = SHORT if pytestconfig.getoption("--short") else Form()
    folder = REPOSITORY / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"] / host.name
    folder.mkdir(parents=True, exist_ok=True)
    return Target(host, folder, form, pytestconfig.stash[TABLE])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    rows: list[tuple[str, ...]] = config.stash[TABLE]
    if rows:
        terminalreporter.section("what was measured")
        widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
        for row in (HEADINGS, *rows):
            cells: list[Any] = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            terminalreporter.write_line("  ".join(cells))
