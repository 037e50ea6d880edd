"""Runs the tests by parts, each part in a process of its own, and several parts at the same time."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from runner import packages, schedule
from runner.parts import CHECKS_NEED, ON_REQUEST, PARTS, REPOSITORY, SCENARIOS

SCHEDULE = pytest.StashKey[schedule.Schedule]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --part and --jobs."""
    parser.addoption("--part", action="append", default=[], metavar="PART", help=f"only this of: {', '.join(PARTS)}")
    default = schedule.default_at_once()
    parser.addoption("--jobs", type=int, default=default, help=f"how many jobs run at the same time ({default})")


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
        marks = {name: pytest.mark.debian_packages(*CHECKS_NEED.get(name, ())) for name in SCENARIOS}
        metafunc.parametrize("scenario", [pytest.param(name, marks=mark, id=name) for name, mark in marks.items()])


@pytest.fixture(autouse=True)
def standard_input_blocks() -> Iterator[None]:
    """Fail a test whose programs leave the standard input non-blocking: Ansible would not start in later tests."""
    yield
    if not os.get_blocking(0):
        os.set_blocking(0, True)
        pytest.fail("a program of this test has made the standard input of all tests non-blocking; give it its own")


def parts_in(path: Path) -> Collection[str]:
    """Return the names of the parts that the tests in a file may belong to."""
    if path.name == "test_scenarios.py":
        return SCENARIOS
    if path.name in ("test_lint.py", "test_telemetry.py"):
        return [path.stem.removeprefix("test_")]
    if path.parent == REPOSITORY / "tests" / "system":
        # Three servers that have to answer each other within seconds need a machine that does little else.
        return ["galera" if path.name == "test_galera.py" else "system"]
    return ["unit"]


def part_of(item: pytest.Item) -> str:
    """Return the name of the part that the test belongs to."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return str(parameters.get("scenario", next(iter(parts_in(item.path)))))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files alone that have no test of the parts that the command line names: to import them takes a minute."""
    parts = config.getoption("--part")
    if parts and collection_path.name.startswith("test_") and collection_path.suffix == ".py":
        return {*parts}.isdisjoint(parts_in(collection_path)) or None
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put quick parts first, and deselect the parts that the command line does not name."""
    items.sort(key=lambda item: PARTS.index(part_of(item)))
    if parts := config.getoption("--part"):
        config.hook.pytest_deselected(items=[item for item in items if part_of(item) not in parts])
        items[:] = [item for item in items if part_of(item) in parts]
    for item in items:
        if (part := part_of(item)) in ON_REQUEST and part not in parts:
            item.add_marker(pytest.mark.skip(f"{ON_REQUEST[part]}: ./grove test {part}"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Without root, end the run with one line if Debian packages are missing."""
    names = {name for item in session.items for name in needed_packages(item)}
    if os.geteuid() and not session.config.option.collectonly and (missing := packages.missing(names)):
        pytest.exit(f"the tests need Debian packages: apt-get install {' '.join(missing)}", returncode=2)


def needed_packages(item: pytest.Item) -> set[str]:
    """Return the Debian packages that the test is marked with."""
    return {name for mark in item.iter_markers("debian_packages") for name in mark.args}


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run the chosen tests as jobs; a debugger needs pytest's own loop, in this process."""
    option = session.config.option
    if option.collectonly or option.usepdb or option.trace or session.testsfailed:
        return None
    session.config.stash[SCHEDULE] = plan = schedule.Schedule(session, jobs(session.items), option.jobs)
    plan.run()
    return True


def jobs(items: list[pytest.Item]) -> list[schedule.Job]:
    """Return the tests by the process that they run in: one for each part, and for each linter."""
    by_name: dict[str, schedule.Job] = {}
    for item in items:
        part = part_of(item)
        if item.get_closest_marker("skip"):
            part = "on request"
        name = item.name if part == "lint" else part
        job = by_name.setdefault(name, schedule.Job(name, part))
        job.items.append(item)
        if part != "on request":
            job.packages |= needed_packages(item)
    return list(by_name.values())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show when each part began and how long it took."""
    if plan := config.stash.get(SCHEDULE, None):
        terminalreporter.section("times (minutes:seconds)")
        for line in schedule.table(plan.timings):
            terminalreporter.write_line(line)
