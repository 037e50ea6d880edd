"""Tempest's tests of all APIs and those of the services' plugins."""

from __future__ import annotations

import pytest
import tempest_suite
from served import Host
from tempest_results import Result, by_reason, differences, read_known

pytest_plugins = ["control_plane_fixtures", "tempest_suite"]


@pytest.mark.timeout(9000)
def test_no_test_fails_but_those_that_are_known_to_fail(control: Host, pytestconfig: pytest.Config) -> None:
    tempest_suite.set_up(control)
    results: list[Result] = []
    for part, tests in tempest_suite.PARTS.items():
        run = tempest_suite.run(control, tests)
        tempest_suite.note_summary(pytestconfig, f"tempest: {part}", run.summary)
        assert run.results, f"no test belongs to the part {part}"
        results += run.results
    known = read_known()
    reasons = [f"{count:4} {reason}" for reason, count in by_reason(results, known).items()]
    tempest_suite.note_summary(pytestconfig, "tempest: failures by their reasons", "\n".join(reasons))
    assert len(results) > 3000
    assert differences(results, known, whole=True) == []
