"""Tempest's tests of all APIs and those of the services' plugins."""

from __future__ import annotations

import pytest
import tempest_suite
from served import Host
from tempest_results import by_reason, differences, read_known

pytest_plugins = ["control_plane_fixtures", "tempest_suite"]


@pytest.mark.timeout(9000)
def test_no_test_fails_but_those_that_are_known_to_fail(control: Host, pytestconfig: pytest.Config) -> None:
    tempest_suite.set_up(control)
    run = tempest_suite.run(control, tempest_suite.WHOLE)
    known = read_known()
    reasons = [f"{count:4} {reason}" for reason, count in by_reason(run.results, known).items()]
    summary = "\n".join([run.summary, "Failures by their reasons:", *reasons])
    tempest_suite.note_summary(pytestconfig, "tempest", summary)
    assert len(run.results) > 1000
    assert differences(run.results, known, whole=True) == []
