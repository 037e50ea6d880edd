"""What is known of an agent without systemd: how long it has to stay up, and which processes are its workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.agents import description, limits
from ansible_collections.grove.wsgi.plugins.module_utils.agents.state import workers_of
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder

FORKS = """
import os, subprocess, sys
worker = os.fork()
if worker == 0:
    sys.stdin.read()
    os._exit(0)
other = subprocess.Popen(["sleep", "60"])
print(worker, flush=True)
sys.stdin.read()
other.kill()
other.wait()
os.wait()
print("ended", flush=True)
"""


def test_workers_are_the_forks_that_run_the_same_program() -> None:
    command = [sys.executable, "-c", FORKS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin
        assert parent.stdout
        worker = int(parent.stdout.readline())
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
            assert workers_of(parent.pid) == {worker}
            stranger.kill()
        parent.stdin.close()
        assert parent.stdout.readline() == "ended\n"
    assert workers_of(parent.pid) == frozenset()
    assert workers_of(0) == frozenset()


def test_how_long_an_agent_has_to_stay_up(tmp_path: Path) -> None:
    folder = AppFolder("nova", tmp_path / "nova")
    described = {"compute": {"command": "true", "restart": "after", "settle": 20}}
    older = {"compute": {"command": "true", "restart": "before"}}
    for release, content in (("new", described), ("old", older)):
        folder.release(release).mkdir(parents=True)
        (folder.release(release) / description.FILE).write_text(json.dumps({"agents": content}))
    assert description.settle_seconds(folder, "new", "compute") == 20
    assert description.settle_seconds(folder, "old", "compute") == limits.SETTLE_SECONDS
    assert description.settle_seconds(folder, "gone", "compute") == limits.SETTLE_SECONDS
    assert description.of_release(folder, "new", "before") == []
    assert description.of_release(folder, "old", "before") == ["compute"]
