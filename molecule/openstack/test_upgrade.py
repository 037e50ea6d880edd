"""The upgrade of one service while requests to all services are running."""

from __future__ import annotations

import json

import main_job
import pytest
from cloud import Cloud
from served import Host
from under_load import all_live, constant_requests

pytest_plugins = ["control_plane_fixtures"]


@pytest.mark.timeout(1200)
def test_an_upgrade_loses_no_request(control: Host, admin: Cloud) -> None:
    before = all_live(control)
    with constant_requests(admin) as counts:
        outcome = main_job.run(control, openstack_version_overrides={})
    assert (outcome.status, outcome.messages) == (0, [])
    after = all_live(control)
    assert {name for name in after if after[name] != before[name]} == {"placement"}
    assert counts["failed"] == []
    assert counts["requests"] > 500
    release_json = control.run("cat", f"/srv/wsgi/placement/releases/{after['placement']}/RELEASE.json")
    assert json.loads(release_json)["made_from"] == "openstack-placement==16.0.0"
