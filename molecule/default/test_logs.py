"""The logs of an app: the verb logs, as an operator types it on the controller."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import main_job
import pytest
from served import BASE, Host


def logs(host: Host, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run the verb."""
    command = main_job.command(host, playbook="playbooks/logs.yml", **variables)
    return subprocess.run(command, cwd=main_job.REPOSITORY, env=os.environ, capture_output=True, text=True, check=False)


def test_a_request_in_all_logs(host: Host, tmp_path: Path) -> None:
    """One id leads through the access log and the app's own log; the error log has its entries beside them."""
    token = uuid.uuid4().hex
    answer = host.ask("test1", f"/boom?token={token}")
    identifier = answer.headers["x-request-id"]
    host.log_with("test1-access", identifier)
    host.log_with("test1-output", identifier)
    host.run(f"{BASE}/test1/run", "true")
    file = tmp_path / "logs.jsonl"
    done = logs(host, app="test1", since="5m", json=str(file))
    assert done.returncode == 0, done.stdout
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    assert [entry["time"] for entry in entries] == sorted(entry["time"] for entry in entries)
    assert {entry["host"] for entry in entries} == {host.name}
    of_request = [entry for entry in entries if entry.get("id") == identifier]
    assert {entry["source"] for entry in of_request} == {"access", "app"}
    texts = [entry["text"] for entry in of_request]
    assert "Traceback (most recent call last):" in texts
    assert any("RuntimeError: raised deliberately by /boom" in text for text in texts)
    [request] = [entry for entry in of_request if entry["source"] == "access"]
    assert (request["request"], request["status"]) == ("GET /boom?token=*** HTTP/1.1", 500)
    assert request["release"] == host.live("test1")[1]
    assert token not in file.read_text()


def test_the_logs_for_a_person(host: Host) -> None:
    host.ask("test2", "/v1/catalog")
    done = logs(host, app="test2")
    assert done.returncode == 0, done.stdout
    assert f" {host.name} access " in done.stdout
    assert "GET /v1/catalog HTTP/1.1" in done.stdout
    as_json = logs(host, app="test2", format="json", last="1")
    lines = [line for line in as_json.stdout.splitlines() if line.startswith("{")]
    assert [json.loads(line)["host"] for line in lines] == [host.name]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "name the app: -e app=NAME; the apps are test1, test2, test3"),
        ({"app": "test9"}, 'no host has an app "test9"; the apps are test1, test2, test3'),
        ({"app": "test1", "since": "soon"}, "since is 'soon'; write a number and s, m, h or d, such as 10m"),
        ({"app": "test1", "last": "0"}, "last is 0; it has to be from 1 to 100000"),
        ({"app": "test1", "format": "xml"}, 'format is "xml"; it has to be text or json'),
    ],
)
def test_bad_input(host: Host, variables: dict[str, str], message: str) -> None:
    done = logs(host, **variables)
    assert done.returncode == 2
    assert message in " ".join(done.stdout.split())
