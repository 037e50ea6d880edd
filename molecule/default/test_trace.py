"""The trace of one request: the verb trace, as an operator types it on the controller."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import main_job
import pytest
from served import Host


def trace(host: Host, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    """Run the verb."""
    command = [*main_job.command(host, playbook="playbooks/trace.yml", **variables), *options]
    return subprocess.run(command, cwd=main_job.REPOSITORY, env=os.environ, capture_output=True, text=True, check=False)


def test_the_sample(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "trace.json"
    done = trace(host, app="test2", request="GET /v1/my_restcontroller/7", header="X-Version: 2", json=str(file))
    assert done.returncode == 0, done.stdout
    answer = json.loads(file.read_text())
    assert (answer["status"], answer["slot"], answer["release"]) == (200, *host.live("test2"))
    first, *lines = answer["lines"]
    assert re.fullmatch(r"GET /v1/my_restcontroller/7: 200 OK in \d+\.\d ms", first)
    assert [line for line in lines if re.search(r" controller \S+\.MyRestController\.get_one \(\S+\.py:\d+\)$", line)]
    assert [line for line in lines if " filter pecan_test_project." in line]


def test_for_a_person_and_only_through_a_door(host: Host) -> None:
    done = trace(host, app="test1", request="GET /boom")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^GET /boom: 500 Internal Server Error in \d+\.\d ms$", done.stdout, re.MULTILINE), done.stdout
    # Pecan calls the hooks of an error.
    assert re.search(r" hook pecan_test_project\.hooks\.ErrorPageHook\.on_error \(", done.stdout)
    mark = "clientsown"
    host.ask("test1", "/boom", headers={"X-Grove-Trace": mark})
    identifier = host.ask("test1", "/boom", headers={"X-Grove-Trace": mark}).headers["x-request-id"]
    assert mark not in host.log_with("test1-output", identifier)


def test_check_mode_sends_no_request_that_changes_something(host: Host) -> None:
    begun = host.run("date", "+%s").strip()
    done = trace(host, "--check", app="test2", request='POST /v1/basemethod/ {"a": 1}')
    assert done.returncode == 0, done.stdout
    assert "basemethod" not in host.run("sh", "-c", f"find /var/log/test2 -newermt @{begun} -type f -exec cat {{}} +")
    sent = trace(host, app="test2", request='POST /v1/basemethod/ {"a": 1}')
    assert "POST /v1/basemethod/: " in sent.stdout


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"request": "GET /"}, "name the app: -e app=NAME; the live apps are test1, test2, test3"),
        ({"app": "test1"}, "name the request: -e \"request='GET /PATH'\""),
        ({"app": "test1", "request": "/boom"}, "request: found the method '/boom', which is no word of capitals"),
        ({"app": "test1", "request": "GET boom"}, "request: found the URL 'boom', which is no path"),
        ({"app": "test1", "request": "POST / {"}, "request: found the body '{', which is not JSON"),
        ({"app": "test1", "request": "GET /", "header": "X"}, "header: found no colon after the name"),
        ({"app": "test1", "request": "TRACE /"}, "was answered 405 by Apache and did not reach the application"),
    ],
)
def test_bad_input(host: Host, variables: dict[str, str], message: str) -> None:
    done = trace(host, **variables)
    assert done.returncode == 2
    assert message in " ".join(done.stdout.split()).replace('\\"', '"')
