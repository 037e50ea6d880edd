"""Releases, slots and the slot map of one application, in real folders."""

from __future__ import annotations

import json
import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import (
    AppFolder,
    FolderError,
    make_account_folder,
)


@pytest.fixture
def folder(tmp_path: Path) -> AppFolder:
    app_folder = AppFolder("shop", tmp_path / "shop")
    app_folder.releases.mkdir(parents=True)
    return app_folder


def add_release(folder: AppFolder, identifier: str, age: int = 0, virtualenv: str | None = None) -> None:
    path = folder.release(identifier)
    path.mkdir()
    (path / "RELEASE.json").write_text(json.dumps({"id": identifier, "inputs": {}}))
    if virtualenv:
        (folder.virtualenvs / virtualenv).mkdir(parents=True, exist_ok=True)
        (path / "dependencies").symlink_to(f"../../venvs/{virtualenv}")
    os.utime(path, (1_000_000 - age, 1_000_000 - age))


def test_a_folder_before_the_first_deployment(folder: AppFolder) -> None:
    assert folder.live() is None
    assert folder.release_of("blue") is None
    assert folder.describe("a") is None


def test_point_and_flip(folder: AppFolder) -> None:
    add_release(folder, "a")
    folder.point("blue", "a")
    folder.flip("blue")
    assert folder.slot_map.read_text() == "live shop-blue\n"
    assert folder.slot_map.stat().st_mode & 0o777 == 0o644
    assert os.readlink(folder.slot("blue")) == "../releases/a"
    assert (folder.slot("blue") / "RELEASE.json").exists()
    assert (folder.live(), folder.release_of("blue"), folder.release_of("green")) == ("blue", "a", None)
    folder.point("blue", "b")
    folder.flip("green")
    assert (folder.live(), folder.release_of("blue")) == ("green", "b")
    assert sorted(path.name for path in folder.path.iterdir()) == ["releases", "slot.map", "slots"]


def test_a_leftover_of_a_killed_run_does_not_stop_point(folder: AppFolder) -> None:
    folder.slot("blue").parent.mkdir()
    (folder.slot("blue").parent / f".blue.{os.getpid()}.tmp").symlink_to("nowhere")
    folder.point("blue", "a")
    assert folder.release_of("blue") == "a"


@pytest.mark.parametrize("text", ["", "live other-blue\n", "live shop-red\n", "shop-blue\n"])
def test_a_map_that_names_no_slot_of_the_application(folder: AppFolder, text: str) -> None:
    folder.slot_map.write_text(text)
    with pytest.raises(FolderError) as raised:
        folder.live()
    assert str(raised.value) == (f"{folder.slot_map} holds {text.strip()!r}; it has to be 'live shop-blue' or '-green'")


def test_an_incomplete_release_is_none(folder: AppFolder) -> None:
    add_release(folder, "a")
    assert folder.describe("a") == {"id": "a", "inputs": {}}
    for content in ("", "[]", '{"id": "b"}'):
        (folder.release("a") / "RELEASE.json").write_text(content)
        assert folder.describe("a") is None


def test_prune_keeps_what_runs_and_the_newest(folder: AppFolder) -> None:
    for age, identifier in enumerate(["new", "newer", "middle", "old", "oldest"]):
        add_release(folder, identifier, age * 100, virtualenv=f"v-{identifier}")
    (folder.releases / ".building.x").mkdir()
    (folder.virtualenvs / ".building.x").mkdir()
    (folder.virtualenvs / "unused").mkdir()
    folder.point("blue", "oldest")
    folder.point("green", "new")
    assert folder.prune(1) == ["middle", "old"]
    assert sorted(path.name for path in folder.releases.iterdir()) == [".building.x", "new", "newer", "oldest"]
    assert sorted(path.name for path in folder.virtualenvs.iterdir()) == [".building.x", "v-new", "v-newer", "v-oldest"]
    assert folder.prune(1) == []


def test_prune_keeps_no_release_that_was_never_good(folder: AppFolder) -> None:
    for age, identifier in enumerate(["live", "refused", "also-refused", "idle", "good", "older"]):
        add_release(folder, identifier, age * 100)
    folder.point("blue", "live")
    folder.point("green", "idle")
    assert folder.prune(1, {"refused", "also-refused", "idle"}) == ["older", "refused", "also-refused"]
    assert sorted(path.name for path in folder.releases.iterdir()) == ["good", "idle", "live"]


def test_the_lock_admits_one_process(folder: AppFolder) -> None:
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True);"
        " sys.stdin.read()"
    )
    with folder.locked():
        assert (folder.path / ".lock").stat().st_mode & 0o777 == 0o600
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(folder.path / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(FolderError, match=r"^another deployment of shop is at work on this host; wait for it to end$"):
        folder.locked().__enter__()
    other.communicate()
    with folder.locked():
        pass


def test_a_folder_is_given_to_an_account_once(tmp_path: Path) -> None:
    account = pwd.getpwuid(os.getuid())
    path = tmp_path / "state" / "shop"
    assert make_account_folder(path, account, 0o750, dry=True)
    assert make_account_folder(path, None, 0o750)
    assert not path.exists()
    assert make_account_folder(path, account, 0o750)
    status = path.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o750, account.pw_uid, account.pw_gid)
    assert not make_account_folder(path, account, 0o750)
    path.chmod(0o777)
    assert make_account_folder(path, account, 0o750, dry=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o777
    assert make_account_folder(path, account, 0o750)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_root_does_not_follow_a_link_of_the_account(tmp_path: Path) -> None:
    account, path, elsewhere = pwd.getpwuid(os.getuid()), tmp_path / "tmp", tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    path.symlink_to(elsewhere)
    if os.getuid() == 0:
        os.chown(path, 65534, 65534, follow_symlinks=False)
    with pytest.raises(FolderError, match="symbolic link"):
        make_account_folder(path, account, 0o700)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755


def test_a_file_in_place_of_a_folder_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "shop"
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="shop"):
        make_account_folder(path, pwd.getpwuid(os.getuid()), 0o750)
    assert path.read_text() == "mine"
