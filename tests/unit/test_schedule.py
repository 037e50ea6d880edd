"""The order in which test jobs run side by side, and their summary."""

from __future__ import annotations

import pytest
from runner import schedule
from runner.parts import COSTS, Cost
from runner.schedule import Job, Timing

COST = {
    "long": Cost(600, 8),
    "short": Cost(60, 2),
    "shorter": Cost(30, 2),
    "unit": Cost(10, 1),
    "exact": Cost(900, 1, alone=True),
}


@pytest.fixture(autouse=True)
def _costs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, cost in COST.items():
        monkeypatch.setitem(COSTS, name, cost)


def jobs(*names: str) -> list[Job]:
    return [Job(name, name) for name in names]


def names(chosen: list[Job]) -> list[str]:
    return [job.name for job in chosen]


def test_the_unit_tests_begin_and_the_longest_job_follows() -> None:
    order = schedule.in_order(jobs("exact", "shorter", "short", "long", "unit"))
    assert names(order) == ["unit", "long", "short", "shorter", "exact"]


def test_a_job_without_an_entry_has_a_cost() -> None:
    assert Job("new-scenario", "new-scenario").cost == Cost()


@pytest.mark.parametrize(
    ("waiting", "running", "at_once", "memory", "expected"),
    [
        (["long", "short", "shorter"], [], 2, 20, ["long", "short"]),
        (["short", "shorter"], ["long"], 2, 20, ["short"]),
        (["short"], ["long", "shorter"], 2, 20, []),
        # If a job does not fit, smaller ones start before it.
        (["long", "short"], ["shorter"], 3, 9, ["short"]),
        (["long"], [], 3, 4, ["long"]),
        (["exact"], ["short"], 3, 20, []),
        (["exact", "short"], [], 3, 20, ["exact"]),
        (["short"], ["exact"], 3, 20, []),
    ],
)
def test_what_runs_side_by_side(
    waiting: list[str], running: list[str], at_once: int, memory: float, expected: list[str]
) -> None:
    assert names(schedule.choose(jobs(*waiting), jobs(*running), at_once, memory)) == expected


def test_the_table_shows_every_part() -> None:
    timings = {
        "unit": Timing(100.0, 109.5, {"passed": 3}),
        "trixie": Timing(101.0, 190.0, {"failed": 1}),
        "system": Timing(102.0, 0.0, {}),
    }
    lines = [line.split() for line in schedule.table(timings)]
    assert lines[1] == ["unit", "0:00", "0:09", "3", "passed"]
    assert lines[2] == ["trixie", "0:01", "1:29", "1", "failed"]
    assert lines[3][:2] == ["system", "0:02"]
    assert lines[3][-1] == "stopped"
    assert schedule.table({}) == []
