"""Tempest's tests of all APIs and those of the services' plugins."""

from __future__ import annotations

import pytest
import tempest_suite
from served import Host
from tempest_results import Result, by_reason, differences, read_known

pytest_plugins = ["control_plane_fixtures", "tempest_suite"]


@pytest.fixture(scope="module")
def tempest(control: Host) -> Host:
    """Return the control plane, with Tempest installed."""
    tempest_suite.set_up(control)
    return control


@pytest.fixture(scope="module")
def results() -> dict[str, list[Result]]:
    """Return the results so far, by the name of the part."""
    return {}


@pytest.mark.timeout(9000)
@pytest.mark.parametrize("part", tempest_suite.PARTS)
def test_no_test_fails_but_those_that_are_known_to_fail(
    tempest: Host, results: dict[str, list[Result]], pytestconfig: pytest.Config, part: str
) -> None:
    run = tempest_suite.run(tempest, tempest_suite.PARTS[part])
    tempest_suite.note_summary(pytestconfig, f"tempest: {part}", run.summary)
    assert run.results, f"no test belongs to the part {part}"
    results[part] = run.results
    known = read_known()
    reasons = [f"{count:4} {reason}" for reason, count in by_reason(run.results, known).items()]
    tempest_suite.note_summary(pytestconfig, f"tempest: {part}, failures by their reasons", "\n".join(reasons))
    assert differences(run.results, known, whole=False) == []


def test_every_known_failure_belongs_to_a_part(results: dict[str, list[Result]]) -> None:
    left_out = set(tempest_suite.PARTS) - set(results)
    if left_out:
        pytest.skip(f"these parts have no results: {', '.join(sorted(left_out))}")
    everything = [result for part in results.values() for result in part]
    assert len(everything) > 3000
    assert [line for line in differences(everything, read_known(), whole=True) if line.startswith("no test")] == []
