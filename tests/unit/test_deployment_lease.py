"""One deployment at a time, with the notes of real and of ended processes."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.action import deployment
from ansible_collections.grove.wsgi.plugins.module_utils.app import deployment as deployments
from ansible_collections.grove.wsgi.plugins.module_utils.app import lease, limits
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run

ONE = Run("ctl", 100, "Mon", "ann")
TWO = Run("ctl", 200, "Tue", "ben")


@pytest.fixture
def folder(tmp_path: Path) -> AppFolder:
    return AppFolder("shop", tmp_path)


def test_the_second_is_refused_until_the_first_has_ended(folder: AppFolder) -> None:
    lease.renew(folder, ONE)
    lease.renew(folder, ONE)
    for other in (TWO, None):
        with pytest.raises(FolderError) as raised:
            lease.renew(folder, other)
        assert str(raised.value) == (
            "another deployment (ann on ctl, process 100, started Mon) is at work on shop; wait for it to end"
        )
    lease.end(folder, TWO)
    assert lease.blocking(folder, TWO) == ONE
    lease.end(folder, ONE)
    lease.renew(folder, TWO)
    assert lease.holder(folder) is not None
    assert lease.blocking(folder, TWO) is None


def test_one_run_works_on_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that only looks is refused as well, and writes nothing."""
    monkeypatch.setattr(deployments, "CLUSTERS", tmp_path / "clusters")
    database, broker = map(deployments.cluster, ("database", "message_bus"))
    deployments.begin([database, broker], ONE, (), dry=True)
    assert list(tmp_path.iterdir()) == []
    deployments.begin([database], ONE, (), dry=False)
    deployments.begin([broker], TWO, (), dry=False)
    for dry in (True, False):
        with pytest.raises(deployments.BlockedError) as raised:
            deployments.begin([database, broker], TWO, (), dry=dry)
        assert str(raised.value) == (
            "cluster of the group database: another run (ann on ctl, process 100, started Mon) is at work on it; wait"
            " for it to end"
        )
        assert raised.value.result == {"held": [asdict(ONE)]}
    deployments.end([database], TWO, dry=False)
    deployments.end([database], ONE, dry=True)
    assert lease.blocking(database, TWO) == ONE
    deployments.end([database], ONE, dry=False)
    deployments.begin([database], TWO, (), dry=False)


def test_a_note_grows_old(folder: AppFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    lease.renew(folder, ONE)
    old = {"run": asdict(ONE), "renewed": time.time() - limits.LEASE_SECONDS - 1}
    (folder.path / lease.NAME).write_text(json.dumps(old))
    lease.renew(folder, TWO)
    assert lease.blocking(folder, ONE) == TWO


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"run": {"pid": 1}, "renewed": 1}', '{"run": null, "renewed": 1}'])
def test_an_empty_note_does_not_block(folder: AppFolder, text: str) -> None:
    (folder.path / lease.NAME).write_text(text)
    lease.renew(folder, TWO)
    assert lease.blocking(folder, TWO) is None


def test_a_run_that_has_ended_does_not_block(folder: AppFolder) -> None:
    lease.renew(folder, ONE)
    lease.renew(folder, TWO, dead=[ONE])
    assert lease.blocking(folder, ONE) == TWO


def test_runs_that_have_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        run = {
            "controller": platform.node(),
            "pid": process.pid,
            "started": deployment.started(process.pid),
            "user": "",
        }
        assert run["started"]
        assert not deployment.is_gone(run)
        assert not deployment.is_gone({**run, "controller": "elsewhere", "pid": 1 << 22})
        assert deployment.is_gone({**run, "started": "Thu Jan  1 00:00:00 1970"})
        # The clock was corrected, or an older Grove has made the note.
        clock, _, ticks = str(run["started"]).rpartition(deployment.TICK)
        assert not deployment.is_gone({**run, "started": f"Thu Jan  1 00:00:00 1970{deployment.TICK}{ticks}"})
        assert deployment.is_gone({**run, "started": f"{clock}{deployment.TICK}1"})
        if shutil.which("ps"):
            assert not deployment.is_gone({**run, "started": deployment.started_by_ps(process.pid)})
        process.kill()
    assert deployment.is_gone(run)
    assert deployment.is_gone({**run, "started": ""})
    mine = deployment.this_run()
    assert mine["pid"] == os.getppid()
    assert dataclasses.asdict(Run(**mine)) == mine


@pytest.mark.parametrize("name", ["../other", "a/b", "", ".", "..", "Shop", "-x", "a b", "a\n", "/etc"])
def test_a_name_that_is_none_makes_no_folder(tmp_path: Path, name: str) -> None:
    """The name comes from the command line of a rollback, and begins as root."""
    base = tmp_path / "wsgi"
    base.mkdir()
    with pytest.raises(FolderError):
        deployments.begin([AppFolder(name, base / name)], ONE, (), dry=False)
    assert [path.name for path in tmp_path.iterdir()] == ["wsgi"]
    assert list(base.iterdir()) == []


def test_a_child_of_a_killed_run_begins_nothing() -> None:
    """It has process 1 for a parent by then, which never ends. Nobody would end what the child begins."""
    program = """
import multiprocessing, os, signal, time
from ansible.errors import AnsibleActionFail
from ansible_collections.grove.wsgi.plugins.action import deployment

def work(parent):
    os.setsid()
    while os.getppid() == parent:
        time.sleep(0.01)
    try:
        deployment.this_run()
    except AnsibleActionFail as error:
        print(error, flush=True)

multiprocessing.get_context("fork").Process(target=work, args=(os.getpid(),)).start()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (-9, "this run has ended, and begins no deployment\n", "")
