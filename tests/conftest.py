"""The parts of the tests (lint, unit, system, telemetry, one for each scenario), their order, and the Debian packages that they need."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
SCENARIOS = sorted(path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml"))
PARTS = ["lint", "unit", "system", "telemetry", *SCENARIOS]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --part."""
    parser.addoption("--part", action="append", default=[], metavar="PART", help=f"only this of: {', '.join(PARTS)}")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse unknown parts and a tree without scenarios, and register the marker."""
    if not SCENARIOS:
        raise pytest.UsageError(f"no scenario below {REPOSITORY}/molecule")
    if unknown := set(config.getoption("--part")) - set(PARTS):
        raise pytest.UsageError(f"no such part: {', '.join(sorted(unknown))} (there are {', '.join(PARTS)})")
    config.addinivalue_line("markers", "debian_packages(*names): packages that the test needs on a Debian system")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Call a test that takes a scenario once for each."""
    if "scenario" in metafunc.fixturenames:
        metafunc.parametrize("scenario", SCENARIOS)


def part_of(item: pytest.Item) -> str:
    """Return the name of the part that the test belongs to."""
    if item.path.name in ("test_lint.py", "test_telemetry.py"):
        return item.path.stem.removeprefix("test_")
    if item.path.parent == REPOSITORY / "tests" / "system":
        return "system"
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return str(parameters.get("scenario", "unit"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put quick parts first and leave out those that were not asked for."""
    items.sort(key=lambda item: PARTS.index(part_of(item)))
    if wanted := config.getoption("--part"):
        config.hook.pytest_deselected(items=[item for item in items if part_of(item) not in wanted])
        items[:] = [item for item in items if part_of(item) in wanted]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install the Debian packages that the chosen tests need and that are not there."""
    marks = [mark for item in session.items for mark in item.iter_markers("debian_packages")]
    needed = sorted({name for mark in marks for name in mark.args})
    if needed and not session.config.option.collectonly and shutil.which("dpkg-query"):
        install(needed)


def install(packages: list[str]) -> None:
    """Install what is missing; without root, end the run with one line that says what to install."""
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages]
    present = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    missing = [name for name in packages if f"{name} installed" not in present]
    if not missing:
        return
    if os.geteuid():
        pytest.exit(f"the tests need Debian packages: apt-get install {' '.join(missing)}", returncode=2)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--no-install-recommends", *missing]):
        command = ["apt-get", "--quiet", "--yes", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.exit(f"{' '.join(command)} failed: {done.stderr.strip()}", returncode=2)
