"""The facts about an agent that need no systemd: how long it has to stay up, and which processes are its workers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.agents import description, limits, restart
from ansible_collections.grove.wsgi.plugins.module_utils.agents.restart import Change, Watch
from ansible_collections.grove.wsgi.plugins.module_utils.agents.state import State, workers_of
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


def state_of(pid: int = 7, *, active: bool = True, release: str = "two", restarts: int = 0, workers: str = "") -> State:
    return State(active, False, pid, restarts, release, frozenset(map(int, workers.split())))


OLD = state_of(5, release="one", workers="51 52")


@pytest.mark.parametrize(
    ("states", "up", "endings"),
    [
        ([state_of(), state_of()], True, 0),
        ([state_of()], False, 0),
        ([OLD, state_of(), state_of()], True, 0),
        ([state_of(release="one"), state_of(release="one")], False, 0),
        ([state_of(active=False), state_of(active=False)], False, 0),
        ([state_of(), state_of(8, restarts=1)], False, 1),
        ([state_of(workers="71 72"), state_of(workers="71 73")], False, 1),
        ([state_of(workers="71"), state_of(workers="71 72"), state_of(workers="71 72")], True, 0),
    ],
)
def test_when_an_agent_has_stayed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: list[State], up: bool, endings: int
) -> None:
    looks = iter(states)
    moments = iter(range(0, 100, 4))
    monkeypatch.setattr(restart, "state", lambda *_: next(looks))
    monkeypatch.setattr(restart, "time", SimpleNamespace(monotonic=lambda: float(next(moments))))
    watch = Watch(Change(AppFolder("nova", tmp_path), "two", ["compute"]), "compute", settle=4)
    assert [watch.look() for _ in states][-1] is up
    assert watch.endings == endings
    assert not watch.hopeless
