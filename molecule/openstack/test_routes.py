"""Which code answers a URL of a service: one for each way in which the services route."""

from __future__ import annotations

import json

import pytest
from served import Host

pytest_plugins = ["control_plane_fixtures"]


@pytest.mark.parametrize(
    ("service", "request_line", "function", "arguments"),
    [
        ("nova", 'POST /v2.1/servers/7/action {"reboot": {}}', "ServersController._reboot", {"id": "7"}),
        ("keystone", "GET /v3/users/7", "keystone.api.users.UserResource.get", {"user_id": "7"}),
        ("placement", "GET /resource_providers/7/inventories", "inventory.get_inventories", {"uuid": "7"}),
        ("aodh", "GET /v2/capabilities", "CapabilitiesController.get", {}),
    ],
)
def test_a_url_of_a_service(
    service: str, request_line: str, function: str, arguments: dict[str, str], control: Host
) -> None:
    program = [f"/srv/wsgi/{service}/run", "python", "{release}/runtime/grove_routes"]
    answer = json.loads(control.run(*program, "--json", "--explain", request_line))["answer"]
    assert answer["code"]["name"].endswith(function)
    assert answer["arguments"] == arguments
