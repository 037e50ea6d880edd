"""What docs/openstack.md says of a new cloud, and its commands that lead to a first server."""

from __future__ import annotations

import re
from pathlib import Path

from cloud import Cloud

pytest_plugins = ["control_plane_fixtures"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "openstack.md"


def test_the_commands_of_the_page_lead_to_a_server(admin: Cloud) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("\n## The first server\n")[2].partition("\n## ")[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    commands = block.strip().splitlines()
    assert len(commands) == 5
    assert admin.show("openstack token issue")["user_id"] == admin.show("openstack user show admin_1")["id"]
    try:
        for command in commands:
            admin.run(command)
        assert admin.show("openstack server show first-server")["status"] == "ACTIVE"
    finally:
        admin.try_run("openstack server delete --wait first-server")
        admin.try_run("openstack network delete first-network")
        admin.try_run("openstack image delete first-image")
        admin.try_run("openstack flavor delete small")
