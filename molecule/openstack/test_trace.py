"""The trace of a request to a service: one for each way in which the services route."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import main_job
import pytest
from cloud import Cloud
from served import Host

pytest_plugins = ["control_plane_fixtures"]


@pytest.mark.parametrize(
    ("service", "path", "controller"),
    [
        ("nova", "/v2.1/servers/detail", r"\.ServersController\.detail"),
        ("keystone", "/v3/users", r"keystone\.api\.users\.UsersResource\.get"),
        ("neutron", "/v2.0/networks", r"\.CollectionsController\.index"),
    ],
)
def test_a_request_to_a_service(
    service: str, path: str, controller: str, control: Host, admin: Cloud, tmp_path: Path
) -> None:
    token, file = admin.show("openstack token issue")["id"], tmp_path / "trace.json"
    variables: dict[str, Any] = {"app": service, "request": f"GET {path}", "json": str(file)}
    variables["header"] = f"X-Auth-Token: {token}"
    command = main_job.command(control, playbook="playbooks/trace.yml", **variables)
    done = subprocess.run(command, cwd=main_job.REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    first, *lines = json.loads(file.read_text())["lines"]
    assert re.fullmatch(rf"GET {re.escape(path)}: 200 OK in \S+ ms, \d+ sql \S+ ms(, \d+ \w+ \S+ ms)*", first)
    assert [line for line in lines if re.search(rf" controller \S*{controller} \(", line)], lines
    assert [line for line in lines if re.search(r" filter keystone\S+\.__call__ \(", line)], lines
    assert [line for line in lines if " sql SELECT " in line], lines
    assert token not in file.read_text() + done.stdout
