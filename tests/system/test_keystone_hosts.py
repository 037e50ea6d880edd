"""The keys of keystone on several hosts, as the tasks of its role and rotate_fernet.yml leave them.

The hosts are folders of this machine. Tokens are Fernet tokens of these keys, as keystone makes them.
"""

from __future__ import annotations

import base64
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.openstack.key_repository import (
    CREDENTIAL,
    FERNET,
    Repositories,
)
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="keys that belong to another account need root")

REPOSITORY = Path(__file__).resolve().parents[2]
ACCOUNT = "daemon"
OPTIONS = ("-e", f"__keystone_account={ACCOUNT}")
NAMES = ("api1", "api2", "api3")
FIRST, OTHERS = "Rotate the keys of one host", "Give the keys to the other hosts"
SITE: list[dict[str, Any]] = [
    {
        "hosts": "wsgi",
        "gather_facts": False,
        "tasks": [{"include_role": {"name": "grove.wsgi.keystone", "tasks_from": "shared_check.yml"}}],
    },
    {
        "hosts": "wsgi",
        "gather_facts": False,
        "serial": 1,
        "tasks": [{"include_role": {"name": "grove.wsgi.keystone", "tasks_from": "shared.yml"}}],
    },
]
"""What the role wsgi_app includes of keystone's, for a fleet."""


@dataclass(frozen=True)
class Fleet:
    """Hosts with keystone, whose state is in a folder for each."""

    folder: Path

    def make_keys(self) -> None:
        """Give all hosts the same keys."""
        made = Repositories(self.folder / NAMES[0] / "keystone", ACCOUNT).make()
        for name in NAMES[1:]:
            Repositories(self.folder / name / "keystone", ACCOUNT).write(made)

    def play(self, *words: str) -> tuple[list[str], dict[str, str]]:
        return (
            [f"{sys.prefix}/bin/ansible-playbook", "-i", str(self.folder / "hosts.json"), *OPTIONS, *words],
            os.environ | {"ANSIBLE_STDOUT_CALLBACK": "default", "PYTHONUNBUFFERED": "1"},
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command, environment = self.play(*words)
        return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    def site(self, *words: str) -> str:
        """Run what a deployment does with the keys, which has to succeed; return the output."""
        done = self.run(str(self.folder / "site.json"), *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rotate(self, *words: str) -> str:
        """Rotate the keys, which has to succeed; return the output."""
        done = self.run("playbooks/rotate_fernet.yml", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self, task: str) -> None:
        """Begin a rotation, and kill it when it has written the first file of a task."""
        before = {name: self.keys(name) for name in NAMES}
        command, environment = self.play("playbooks/rotate_fernet.yml")
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        watched = NAMES[:1] if task == FIRST else NAMES[1:]
        deadline = time.monotonic() + 300
        while all(self.keys(name) == before[name] for name in watched):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def keys(self, name: str, repository: str = FERNET) -> dict[int, str]:
        """Return the keys of a host."""
        found = {}
        for path in (self.folder / name / "keystone" / repository).glob("*"):
            try:
                found[int(path.name)] = path.read_text()
            except FileNotFoundError:
                continue
        return found

    def token(self, name: str) -> bytes:
        """Return a token that a host makes."""
        keys = self.keys(name)
        return Fernet(keys[max(keys)]).encrypt(name.encode())

    def accepts(self, token: bytes) -> list[str]:
        """Return the hosts that accept a token."""
        found = []
        for name in NAMES:
            try:
                MultiFernet([Fernet(key) for key in self.keys(name).values()]).decrypt(token)
            except InvalidToken:
                continue
            found.append(name)
        return found

    def assert_every_token_counts_everywhere(self) -> None:
        for name in NAMES:
            assert self.accepts(self.token(name)) == list(NAMES)

    def assert_same(self) -> None:
        for repository in (FERNET, CREDENTIAL):
            first = self.keys(NAMES[0], repository)
            assert len(first) >= 2
            assert all(self.keys(name, repository) == first for name in NAMES)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Yield a fleet of fresh hosts. Pytest's own folders are closed to other accounts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for host in NAMES:
            (folder / host).mkdir(mode=0o755)
        # With several hosts, keystone's own rotation of one host would part the keys.
        program = folder / "srv" / "keystone" / "run"
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
        write_inventory(folder)
        (folder / "site.json").write_text(json.dumps(SITE))
        yield Fleet(folder)


def write_inventory(folder: Path, away: Iterable[str] = ()) -> None:
    """Write the inventory. away: hosts that do not answer."""
    hosts = {name: {"wsgi_app_state_base": str(folder / name)} for name in NAMES}
    for name in away:
        hosts[name] |= {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": "9"}
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "wsgi_services": ["keystone"],
        "wsgi_app_base": str(folder / "srv"),
    }
    (folder / "hosts.json").write_text(json.dumps({"all": {"vars": variables, "children": {"wsgi": {"hosts": hosts}}}}))


def changed(output: str) -> list[int]:
    return [int(number) for number in re.findall(r"changed=(\d+)", output)]


def secrets(fleet: Fleet) -> set[str]:
    return {key for name in NAMES for one in (FERNET, CREDENTIAL) for key in fleet.keys(name, one).values()}


def test_fresh_hosts_get_the_same_keys_and_keep_them(fleet: Fleet) -> None:
    fleet.site("--check")
    assert secrets(fleet) == set()
    output = fleet.site("-vvv", "--diff")
    fleet.assert_same()
    fleet.assert_every_token_counts_everywhere()
    assert not [key for key in secrets(fleet) if key in output or base64.b64encode(key.encode()).decode() in output]
    assert changed(fleet.site()) == [0, 0, 0]


def test_a_host_that_comes_later_gets_the_keys_whatever_its_place(fleet: Fleet) -> None:
    fleet.make_keys()
    keys = fleet.keys("api2")
    for name in ("api1", "api3"):
        shutil.rmtree(fleet.folder / name / "keystone")
    fleet.site("-l", "api2,api3")
    assert fleet.keys("api3") == keys
    assert not fleet.keys("api1")
    fleet.site()
    fleet.assert_same()
    assert fleet.keys("api1") == keys


def test_no_host_makes_keys_while_another_one_may_have_them(fleet: Fleet) -> None:
    done = fleet.run(str(fleet.folder / "site.json"), "-l", "api2")
    assert done.returncode != 0
    text = " ".join(done.stdout.split())
    assert "api2: found no keys in " in text
    assert "does not reach api1, api3" in text
    assert secrets(fleet) == set()


def test_a_rotation_reaches_all_hosts_and_shows_no_key(fleet: Fleet) -> None:
    fleet.make_keys()
    before, stored = fleet.keys("api1"), fleet.keys("api1", CREDENTIAL)
    token = fleet.token("api3")
    fleet.rotate("--check")
    assert fleet.keys("api1") == before
    earlier = secrets(fleet)
    output = fleet.rotate("-vvv", "--diff")
    fleet.assert_same()
    after = fleet.keys("api1")
    assert after[max(after)] == before[0]
    assert after[0] not in before.values()
    assert fleet.keys("api1", CREDENTIAL) == stored
    assert fleet.accepts(token) == list(NAMES)
    assert not [key for key in earlier | secrets(fleet) if key in output]
    fleet.rotate()
    fleet.assert_same()
    assert sorted(fleet.keys("api1")) == [0, 2, 3]


@pytest.mark.parametrize(("task", "next_run"), [(FIRST, "rotate"), (OTHERS, "site")])
def test_a_rotation_that_was_killed_is_completed_and_loses_no_token(fleet: Fleet, task: str, next_run: str) -> None:
    fleet.make_keys()
    before = fleet.keys("api1")
    tokens = [fleet.token(name) for name in NAMES]
    fleet.kill(task)
    fleet.assert_every_token_counts_everywhere()
    tokens += [fleet.token(name) for name in NAMES]
    getattr(fleet, next_run)()
    fleet.assert_same()
    for token in tokens:
        assert fleet.accepts(token) == list(NAMES)
    after = fleet.keys("api1")
    assert max(after) == max(before) + 1
    assert after[max(after)] == before[0]
    assert after[0] != before[0]
    fleet.assert_every_token_counts_everywhere()


@pytest.mark.parametrize(("options", "away"), [((), ("api1",)), (("-l", "api2,api3"), ())])
def test_a_rotation_without_a_host_changes_nothing_and_names_it(
    fleet: Fleet, options: Sequence[str], away: Sequence[str]
) -> None:
    fleet.make_keys()
    before = secrets(fleet)
    write_inventory(fleet.folder, away)
    done = fleet.run("playbooks/rotate_fernet.yml", *options)
    assert done.returncode != 0
    assert "cannot be rotated, nothing was changed" in done.stdout
    assert "does not reach api1, " in " ".join(done.stdout.split())
    assert secrets(fleet) == before


def test_keys_of_two_set_ups_are_refused_with_a_remedy_that_helps(fleet: Fleet) -> None:
    fleet.make_keys()
    counting = fleet.keys("api1")
    owner = pwd.getpwnam(ACCOUNT)
    for repository in (FERNET, CREDENTIAL):
        path = fleet.folder / "api2" / "keystone" / repository / "1"
        path.write_text(Fernet.generate_key().decode())
        os.chown(path, owner.pw_uid, owner.pw_gid)
    before = secrets(fleet)
    for playbook in (str(fleet.folder / "site.json"), "playbooks/rotate_fernet.yml"):
        done = fleet.run(playbook)
        assert done.returncode != 0
        text = " ".join(done.stdout.split())
        assert "api1, api3 have 0 (" in text
        assert "; api2 has 0 (" in text
    assert secrets(fleet) == before
    for repository in (FERNET, CREDENTIAL):
        folder = fleet.folder / "api2" / "keystone" / repository
        folder.rename(folder.with_name(f"{repository}.former"))
    fleet.site()
    fleet.assert_same()
    assert fleet.keys("api2") == counting
