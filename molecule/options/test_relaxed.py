"""A record that needs more than the sandbox allows, on a host whose units have their own view of the files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import main_job
import pytest
from served import Host

DROP_IN = "/etc/systemd/system/apache2.service.d/20-grove.conf"
WRITER = """
def application(environ, start_response):
    with open("/mnt/covers/cover", "w") as stream:
        stream.write("written")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"written"]
"""


@pytest.fixture
def web2(hosts: dict[str, Host]) -> Host:
    """Debian 13, which may mount."""
    return hosts["web2"]


@pytest.fixture
def record() -> dict[str, Any]:
    """An application that answers 200 if it can write a file in /mnt/covers."""
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "generated", "writer")
    folder.mkdir(exist_ok=True)
    (folder / "writer.py").write_text(WRITER)
    return {
        "name": "writer",
        "source": str(folder),
        "entry": {"module": "writer:application"},
        "listen": 8090,
        "processes": 1,
        "start_timeout": 5,
    }


def test_a_record_relaxes_the_sandbox_by_name(web2: Host, record: dict[str, Any]) -> None:
    """Only a changed sandbox restarts Apache. One in which an application stops to work is taken back."""
    web2.run("useradd", "--system", "--user-group", "--home-dir", "/var/lib/writer", "--no-create-home", "writer")
    web2.run("install", "-d", "-o", "writer", "/mnt/covers")
    # Where it can write, a busy host may need longer until it answers.
    relaxed = [*web2.apps, {**record, "sandbox": {"ReadWritePaths": ["/mnt/covers"]}, "start_timeout": 30}]
    before = web2.run("cat", "/run/apache2/apache2.pid")
    outcome = main_job.run(web2, relaxed)
    assert (outcome.status, outcome.messages) == (0, [])
    assert web2.run("cat", "/run/apache2/apache2.pid") != before
    assert web2.ask(8090, "/").text == "written"
    assert "-/mnt/covers" in web2.run("cat", DROP_IN)
    assert main_job.run(web2, relaxed).changed == 0

    outcome = main_job.run(web2, [*web2.apps, record])
    assert outcome.status == 2
    assert outcome.messages[0].startswith("record writer, key sandbox: / answered 500")
    assert web2.ask(8090, "/").text == "written"
    assert "-/mnt/covers" in web2.run("cat", DROP_IN)

    assert main_job.run(web2).status == 0
    assert "-/mnt/covers" not in web2.run("cat", DROP_IN)
