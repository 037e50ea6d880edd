"""Clocks of hosts that are apart, and how certain the controller is of that."""

from __future__ import annotations

import pytest
from ansible_collections.grove.wsgi.plugins.plugin_utils.clocks import CONTROLLER, LIMIT, Clock, clock, clock_problems


def test_a_clock_is_known_within_the_duration_of_the_call() -> None:
    assert clock(100.0, 130.0, 104.0) == Clock(26.0, 30.0)


@pytest.mark.parametrize(
    ("clocks", "names"),
    [
        ({"lb1": Clock(0, 1), "api1": Clock(0, 1), "api2": Clock(300, 301)}, ["api2: its clock is 299 s ahead of"]),
        ({"lb1": Clock(0, 1), "api1": Clock(-301, -300), "api2": Clock(0, 1)}, ["api1: its clock is 300 s behind"]),
        # All hosts agree.
        ({"lb1": Clock(60, 61), "api1": Clock(60, 61)}, [f"{CONTROLLER}: its clock is 60 s behind that of"]),
        # The call has taken so long that nothing is certain.
        ({"lb1": Clock(0, 1), "api1": Clock(-1, 0), "api2": Clock(5, 40)}, []),
        ({"lb1": Clock(0, 1), "api1": Clock(-1, 0), "api2": Clock(LIMIT, LIMIT + 1)}, []),
        ({"lb1": Clock(0, 1)}, []),
        ({}, []),
    ],
)
def test_a_clock_that_is_apart_is_named(clocks: dict[str, Clock], names: list[str]) -> None:
    problems = clock_problems(clocks)
    assert len(problems) == len(names), problems
    assert all(name in problem for name, problem in zip(names, problems, strict=True)), problems


def test_the_limit_is_one_of_certainty() -> None:
    others = {"lb1": Clock(0, 0), "api1": Clock(0, 0)}
    assert clock_problems({**others, "api2": Clock(LIMIT + 0.1, LIMIT + 3)})
    assert not clock_problems({**others, "api2": Clock(LIMIT - 0.1, LIMIT + 3)})
