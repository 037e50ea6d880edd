"""Tempest's smoke tests."""

from __future__ import annotations

import pytest
import tempest_suite
from served import Host
from tempest_results import differences, read_known

pytest_plugins = ["control_plane_fixtures", "tempest_suite"]


@pytest.mark.timeout(1200)
def test_the_smoke_tests_of_tempest_pass(control: Host, pytestconfig: pytest.Config) -> None:
    tempest_suite.set_up(control)
    run = tempest_suite.run(control, tempest_suite.SMOKE)
    tempest_suite.note_summary(pytestconfig, "tempest: smoke", run.summary)
    assert len(run.results) > 50
    assert differences(run.results, read_known(), whole=False) == []
