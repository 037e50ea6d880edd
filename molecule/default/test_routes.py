"""Which code answers a URL: the verb routes, as an operator types it on the host."""

from __future__ import annotations

import json

from served import Host


def test_the_sample_explains_a_request(host: Host) -> None:
    program = ["/srv/wsgi/test2/run", "python", "{release}/runtime/grove_routes"]
    explained = json.loads(host.run(*program, "--json", "--explain", "GET /v1/my_restcontroller/7"))
    assert explained["answer"]["code"]["name"].endswith("MyRestController.get_one")
    assert explained["answer"]["arguments"] == {"identifier": "7"}
    steps = [step["text"] for step in explained["steps"] if step["kind"] == "filter"]
    assert {"request_id", "body_limit"} <= set(steps), "the names in the paste file"
    assert "controller /my_restcontroller " in host.run(*program)
    refused = host.try_run(*program, "--explain", "my_restcontroller/7")
    assert refused.returncode == 2
    assert "write METHOD URL" in refused.stderr
