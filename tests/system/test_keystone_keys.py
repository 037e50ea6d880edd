"""The files of keystone's keys: who owns and reads them, and what an interrupted write leaves."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.openstack import key_repository as keys_of
from ansible_collections.grove.wsgi.plugins.module_utils.openstack.key_repository import (
    CREDENTIAL,
    FERNET,
    KeyRepositoryError,
    Repositories,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="keys that belong to another account need root")

ACCOUNT = "daemon"
OWNER = pwd.getpwnam(ACCOUNT)
# The states that a rotation passes.
PASSED = [
    {0: "c", 1: "a", 2: "b"},
    {0: "c", 1: "a", 2: "b", 3: "c"},
    {0: "d", 1: "a", 2: "b", 3: "c"},
    {0: "d", 2: "b", 3: "c"},
]
BEFORE, AFTER = PASSED[0], PASSED[-1]
STORED = {0: "n", 1: "m"}


@pytest.fixture
def state() -> Iterator[Path]:
    """Yield a folder of the account, as /var/lib/keystone is. Pytest's own folders are closed to other accounts."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent, "keystone")
        folder.mkdir()
        os.chown(folder, OWNER.pw_uid, OWNER.pw_gid)
        yield folder


def on_disk(state: Path, name: str = FERNET) -> dict[int, str]:
    return {int(path.name): path.read_text() for path in (state / name).iterdir()}


def test_keys_are_made_once_and_belong_to_their_account_alone(state: Path) -> None:
    state.rmdir()
    found = Repositories(state, ACCOUNT)
    made = found.make()
    assert found.make() == made
    assert {name: sorted(keys) for name, keys in made.items()} == {FERNET: [0, 1], CREDENTIAL: [0, 1]}
    for name, keys in made.items():
        assert on_disk(state, name) == keys
        for path, mode in ((state / name, 0o700), *((path, 0o600) for path in (state / name).iterdir())):
            status = path.stat()
            assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (mode, OWNER.pw_uid, OWNER.pw_gid)
    read = found.read()
    assert not read.open
    assert read.digests[FERNET] == {number: keys_of.digest(key) for number, key in made[FERNET].items()}
    assert not any(key in str(read.digests) for keys in made.values() for key in keys.values())
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_a_host_gets_keys_and_loses_what_an_interrupted_run_has_left(state: Path) -> None:
    found = Repositories(state, ACCOUNT)
    (state / f"{keys_of.UNFINISHED}1").write_text("half a key")
    assert len(found.write({FERNET: BEFORE, CREDENTIAL: STORED})) == 5
    assert sorted(path.name for path in state.iterdir()) == [CREDENTIAL, FERNET]
    assert found.write({FERNET: BEFORE, CREDENTIAL: STORED}) == []
    # What keystone leaves out is no key.
    for name in ("0.tmp", "9"):
        (state / FERNET / name).touch(mode=0o600)
        os.chown(state / FERNET / name, OWNER.pw_uid, OWNER.pw_gid)
    assert found.read().keys[FERNET] == BEFORE


def test_keys_that_others_may_read_get_their_modes_back(state: Path) -> None:
    found = Repositories(state, ACCOUNT)
    found.write({FERNET: BEFORE})
    (state / FERNET / "1").chmod(0o644)
    (state / FERNET).chmod(0o755)
    assert found.read().open
    assert found.write({FERNET: BEFORE}) == [str(state / FERNET), str(state / FERNET / "1")]
    assert not found.read().open


def test_keys_that_root_has_copied_are_refused_with_the_remedy(state: Path) -> None:
    """keystone could not read them, and answers each request with 500."""
    found = Repositories(state, ACCOUNT)
    found.write({FERNET: BEFORE})
    os.chown(state / FERNET / "0", 0, 0)
    with pytest.raises(KeyRepositoryError, match=rf"{FERNET}/0: it belongs to .* 0, .*run: chown -R {ACCOUNT}: "):
        found.read()


def test_links_that_the_account_has_made_lead_root_nowhere(state: Path, tmp_path: Path) -> None:
    """Whoever controls the account could let root read its neighbour's secrets, and write where only root may."""
    found = Repositories(state, ACCOUNT)
    found.write({FERNET: BEFORE})
    secret, elsewhere = tmp_path / "secret", tmp_path / "elsewhere"
    secret.write_text("of root")
    secret.chmod(0o600)
    elsewhere.mkdir(0o700)
    (state / FERNET / "7").symlink_to(secret)
    with pytest.raises(KeyRepositoryError, match=f"refused to the account {ACCOUNT}|belongs to the account"):
        found.read()
    (state / FERNET / "7").unlink()
    (state / CREDENTIAL).symlink_to(elsewhere)
    with pytest.raises(KeyRepositoryError, match=f"refused to the account {ACCOUNT}|belongs to the account"):
        found.write({CREDENTIAL: STORED})
    assert list(elsewhere.iterdir()) == []


def test_a_rotation_on_a_host(state: Path) -> None:
    found = Repositories(state, ACCOUNT)
    found.write({FERNET: BEFORE, CREDENTIAL: STORED})
    after = found.rotate(keys_of.digests(BEFORE), 3)
    assert on_disk(state) == after
    assert on_disk(state, CREDENTIAL) == STORED
    with pytest.raises(KeyRepositoryError, match="have changed since this run has read them"):
        found.rotate(keys_of.digests(BEFORE), 3)
    with pytest.raises(KeyRepositoryError, match="have changed since this run has read them"):
        found.write({FERNET: BEFORE}, {FERNET: keys_of.digests(BEFORE)})
    assert on_disk(state) == after


@pytest.mark.parametrize(("killed_at", "left"), [("replace", PASSED[:2]), ("unlink", PASSED[2:3])])
def test_a_write_that_is_killed_anywhere_can_be_repeated(
    state: Path, killed_at: str, left: list[dict[int, str]]
) -> None:
    found = Repositories(state, ACCOUNT)
    for number, expected in enumerate(left):
        found.write({FERNET: BEFORE})
        program = f"""
import os, pathlib, signal
from ansible_collections.grove.wsgi.plugins.module_utils.openstack.key_repository import Repositories
calls, work = iter(range(9)), pathlib.Path.{killed_at}
def stop(path, *words, **more):
    if next(calls) == {number}:
        os.kill(os.getpid(), signal.SIGKILL)
    return work(path, *words, **more)
pathlib.Path.{killed_at} = stop
Repositories(pathlib.Path({str(state)!r}), {ACCOUNT!r}).write({{{FERNET!r}: {AFTER!r}}})
"""
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert on_disk(state) == expected
        found.write({FERNET: AFTER})
        assert on_disk(state) == AFTER
        assert [path.name for path in state.iterdir()] == [FERNET]


def test_a_host_without_the_account_has_no_keys_and_gets_none(tmp_path: Path) -> None:
    found = Repositories(tmp_path, "nobody-of-this-name")
    assert found.read().keys == {FERNET: {}, CREDENTIAL: {}}
    with pytest.raises(KeyRepositoryError, match="no account nobody-of-this-name"):
        found.make()
