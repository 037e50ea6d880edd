"""The facts about an agent that need no systemd: how long it has to stay up, and which processes are its workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.agents import description, limits, restart, state, units
from ansible_collections.grove.wsgi.plugins.module_utils.agents.restart import Change, Watch
from ansible_collections.grove.wsgi.plugins.module_utils.agents.state import Lease, State, states, workers_of
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.release import launching

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
            families = processes.children_by_parent()
            assert len(families[parent.pid]) == 2
            assert workers_of(parent.pid, families[parent.pid]) == {worker}
            assert stranger.pid not in families[parent.pid]
            stranger.kill()
        parent.stdin.close()
        assert parent.stdout.readline() == "ended\n"
    assert parent.pid not in processes.children_by_parent()
    assert workers_of(0, [worker]) == frozenset()


def test_one_call_asks_for_the_states_of_all_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """systemctl's words and its order are those of a real host, see molecule/openstack."""
    script = tmp_path / "systemctl"
    up = "MainPID=7\\nNRestarts=2\\nActiveState=active\\nSubState=running\\nNeedDaemonReload=no\\n"
    down = "MainPID=0\\nNRestarts=0\\nActiveState=failed\\nSubState=failed\\nNeedDaemonReload=yes\\n"
    script.write_text(f"#!/bin/sh\necho \"$@\" >>{tmp_path}/calls\nprintf '{up}\\n{down}'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert states("nova", []) == {}
    assert states("nova", ["conductor", "compute"]) == {
        "conductor": State(active=True, stale=False, pid=7, restarts=2, release=None),
        "compute": State(active=False, stale=True, pid=0, restarts=0, release=None),
    }
    assert (tmp_path / "calls").read_text().splitlines() == [
        "show --property=ActiveState,SubState,MainPID,NRestarts,NeedDaemonReload --"
        " grove-nova-conductor.service grove-nova-compute.service"
    ]


@pytest.mark.parametrize(
    ("text", "lease", "ready"),
    [
        ("7 runs api1 12\n", Lease("runs", "api1", 12), True),
        ("7 waits api2 0\n", Lease("waits", "api2", 0), True),
        ("7 starts - 0\n", Lease("starts", "", 0), False),
        ("7 away - 0\n", Lease("away", "", 0), False),
        # Of an earlier process, or not as the program writes it.
        ("8 waits api2 0\n", None, True),
        ("7 waits \x1b[2J 0\n", None, True),
        ("7 waits api2 0\n" + "x" * 500, None, True),
    ],
)
def test_an_agent_that_one_host_of_several_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, lease: Lease | None, ready: bool
) -> None:
    script = tmp_path / "systemctl"
    script.write_text("#!/bin/sh\nprintf 'MainPID=7\\nActiveState=active\\nSubState=running\\n'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(state, "RUN", tmp_path)
    (tmp_path / "grove-shop-mail").mkdir()
    (tmp_path / "grove-shop-mail" / "lease").write_text(text)
    now = states("shop", ["mail"])["mail"]
    assert (now.lease, now.is_ready) == (lease, ready)


def test_how_long_an_agent_has_to_stay_up(tmp_path: Path) -> None:
    folder = AppFolder("nova", tmp_path / "nova")
    described = {"compute": {"command": "true", "restart": "after", "settle": 20}}
    older = {"compute": {"command": "true", "restart": "before"}}
    for release, content in (("new", described), ("old", older)):
        folder.release(release).mkdir(parents=True)
        (folder.release(release) / launching.COMMANDS).write_text(json.dumps({"agents": content}))
    assert description.settle_seconds(folder, "new", "compute") == 20
    assert description.settle_seconds(folder, "old", "compute") == limits.SETTLE_SECONDS
    assert description.settle_seconds(folder, "gone", "compute") == limits.SETTLE_SECONDS
    assert description.before_switch(folder, "new") == []
    assert description.before_switch(folder, "old") == ["compute"]


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"config nova.conf": "other"}, ["api"]),
        ({"config nova.conf": None, "config new.conf": "1"}, ["api"]),
        ({"lock": "other"}, ["api", "conductor"]),
        ({"config nova.conf": "other", "runtime ready.py": "other"}, ["api", "conductor"]),
        ({"environment": "other"}, ["api", "conductor"]),
    ],
)
def test_agents_of_other_code_move_before_the_traffic(
    tmp_path: Path, changes: dict[str, str | None], first: list[str]
) -> None:
    folder = AppFolder("nova", tmp_path / "nova")
    agents = {name: {"command": "true", "restart": restart} for name, restart in RESTARTS.items()}
    inputs = {"lock": "1", "runtime ready.py": "1", "config nova.conf": "1"}
    for release, made_of in (("one", inputs), ("two", {**inputs, **changes})):
        folder.release(release).mkdir(parents=True)
        described = {"id": release, "inputs": {name: value for name, value in made_of.items() if value is not None}}
        (folder.release(release) / "RELEASE.json").write_text(json.dumps(described))
        (folder.release(release) / launching.COMMANDS).write_text(json.dumps({"agents": agents}))
    # Nobody knows what an agent runs whose release is gone.
    assert description.before_switch(folder, "two") == ["api", "conductor"]
    for name in agents:
        folder.point_agent(name, "one")
    assert description.before_switch(folder, "two") == first


RESTARTS = {"api": "before", "conductor": "before_upgrade", "scheduler": "after"}


def test_an_application_has_no_agents_of_one_whose_name_begins_like_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "UNITS", tmp_path)
    for app, agent in (("nova", "conductor"), ("nova", "api-log"), ("nova-api", "log2"), ("nova-api", "mail")):
        text = f"[Service]\nExecStart=/srv/wsgi/{app}/run --agent {agent}\nRestart=always\n"
        (tmp_path / units.unit(app, agent)).write_text(text)
    (tmp_path / "grove-nova-db-purge.service").write_text("[Service]\nExecStart=/srv/wsgi/nova/run --timer db-purge\n")
    assert units.installed("nova") == ["api-log", "conductor"]
    assert units.installed("nova-api") == ["log2", "mail"]


def state_of(
    pid: int = 7, *, active: bool = True, release: str = "two", restarts: int = 0, workers: str = "", word: str = ""
) -> State:
    lease = Lease(word, "api1", 0) if word else None
    return State(active, False, pid, restarts, release, frozenset(map(int, workers.split())), lease)


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
        ([state_of(word="waits"), state_of(word="waits")], True, 0),
        ([state_of(word="starts"), state_of(word="starts"), state_of(word="away")], False, 0),
        ([state_of(word="starts"), state_of(word="runs"), state_of(word="runs")], True, 0),
    ],
)
def test_when_an_agent_has_stayed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: list[State], up: bool, endings: int
) -> None:
    looks = iter(states)
    moments = iter(range(0, 100, 4))
    monkeypatch.setattr(restart, "state", lambda *_: next(looks))
    monkeypatch.setattr(restart, "with_workers", lambda state, _children: state)
    monkeypatch.setattr(restart, "time", SimpleNamespace(monotonic=lambda: float(next(moments))))
    watch = Watch(Change(AppFolder("nova", tmp_path), "two", ["compute"]), "compute", settle=4)
    assert [watch.look({}) for _ in states][-1] is up
    assert watch.endings == endings
    assert not watch.hopeless


def test_an_agent_that_has_ended_and_runs_on_another_host_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other host may run an older release, so nobody knows whether this one works."""
    looks = iter([state_of(word="runs"), state_of(9, restarts=1, word="runs"), state_of(10, restarts=2, word="waits")])
    monkeypatch.setattr(restart, "state", lambda *_: next(looks))
    monkeypatch.setattr(restart, "with_workers", lambda state, _children: state)
    watch = Watch(Change(AppFolder("nova", tmp_path), "two", ["compute"]), "compute", settle=4)
    assert [(watch.look({}), watch.hopeless) for _ in range(3)] == [(False, False), (False, False), (False, True)]


def test_only_the_host_that_runs_an_agent_keeps_its_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leases = {"each": None, "here": Lease("runs", "api1", 12), "there": Lease("waits", "api2", 0)}
    states_now = {name: State(True, False, pid, 0, "one", frozenset(), leases[name]) for pid, name in enumerate(leases)}
    sent = []
    monkeypatch.setattr(restart, "states", lambda *_: states_now)
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    restart.keep_leases(Change(AppFolder("nova", tmp_path), "two", list(leases)))
    assert sent == [(1, signal.SIGUSR1)]
