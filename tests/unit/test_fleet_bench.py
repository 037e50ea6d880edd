"""What bench/fleet.py prints of its measurements, and the arguments that it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
sys.path.append(str(REPOSITORY / "bench"))

import fleet  # noqa: E402  the folder is not one of the unit tests'

RUNS = [
    fleet.Run(8, "release", 40.0, 18.0, 1.0, 24.0),
    fleet.Run(1, "release", 16.0, 6.0, 0.5, 3.0),
    fleet.Run(1, "second site", 10.0, 4.0, 0.5, 1.5),
]


def test_ratios_are_to_the_smallest_fleet() -> None:
    lines = fleet.tables(RUNS, [])
    assert lines[2:] == [
        "| second site | 1 | 10.0 | 1.00 | 4.0 | 1.00 | 1.5 | 1.5 | 0.5 |",
        "| release | 1 | 16.0 | 1.00 | 6.0 | 1.00 | 3.0 | 3.0 | 0.5 |",
        "| release | 8 | 40.0 | 2.50 | 18.0 | 3.00 | 24.0 | 3.0 | 1.0 |",
    ]
    assert {line.count("|") for line in lines} == {10}


def test_requests_have_a_table_of_their_own() -> None:
    failed = {"connect": 0, "read": 2, "write": 0, "timeout": 0, "status": 1}
    lines = fleet.tables(RUNS, [fleet.Requests(2, 1234.5, failed, 0.000101, 0.00071)])
    assert lines[-1] == "| 2 | 1234 | 2 read, 1 status | 101 | 710 |"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hosts", "3"], "no size is named '3'; there are 1, 2, 4, 8"),
        (["--hosts", "2,2"], "names a size twice"),
        (["--serial", "0"], "are a whole number from 1 to 8, not '0'"),
        (["--seconds", "61"], "seconds are a whole number from 1 to 60, not '61'"),
        (["--logs", "/nonexistent"], "'/nonexistent' is no folder"),
        (["--json", "/nonexistent/a"], "is no file in a folder that exists"),
    ],
)
def test_bad_arguments_are_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fleet.parser().parse_args(arguments)
    assert words in capsys.readouterr().err
