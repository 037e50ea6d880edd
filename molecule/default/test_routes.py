"""Which code answers a URL: the verb routes, as an operator types it on the host."""

from __future__ import annotations

import json

from served import Host


def test_the_sample_explains_a_request(host: Host) -> None:
    name = next(record["name"] for record in host.apps if record["name"].startswith("pecan"))
    program = [f"/srv/wsgi/{name}/run", "python", "{release}/runtime/grove_routes"]
    explained = json.loads(host.run(*program, "--json", "--explain", "GET /my_restcontroller/7"))
    assert explained["answer"]["code"]["name"].endswith("MyRestController.get_one")
    assert explained["answer"]["arguments"] == {"identifier": "7"}
    assert "controller /my_restcontroller " in host.run(*program)
    refused = host.try_run(*program, "--explain", "my_restcontroller/7")
    assert refused.returncode == 2
    assert "write METHOD URL" in refused.stderr
