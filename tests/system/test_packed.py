"""Packed modules that one run of Ansible leaves to the next."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

NAME = "ansible.modules.ping-ZIP_DEFLATED-none"
USED = "ANSIBALLZ: using cached module"
PACKED = "ANSIBALLZ: Creating module"
PLAY = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
"""
RUNS_AT_ONCE = 4


class Runs:
    """Runs of one playbook by one account."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.play = folder / "play.yml"
        self.play.write_text(PLAY)

    def run(self, **environment: str) -> str:
        """Return what a run printed, which had to succeed, with Ansible's messages for debugging."""
        own = {
            "ANSIBLE_HOME": str(self.home),
            "ANSIBLE_CALLBACKS_ENABLED": "grove.wsgi.packed",
            "ANSIBLE_DEBUG": "1",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        }
        done = subprocess.run(
            [Path(sys.prefix, "bin", "ansible-playbook"), "--connection", "local", "-i", "localhost,", self.play],
            env={**os.environ, **own, **environment},
            cwd=self.play.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode == 0, f"exit status {done.returncode}:\n{output[-5000:]}"
        assert "[WARNING]" not in output, output[-5000:]
        return output

    def kept(self) -> list[Path]:
        """Return the packed modules that are kept."""
        return list(self.home.glob(f"grove-packed/*/{NAME}"))


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_the_next_run_uses_what_a_run_has_packed(runs: Runs) -> None:
    first = runs.run()
    assert PACKED in first
    (kept,) = runs.kept()
    assert [path.stat().st_mode & 0o077 for path in (kept, kept.parent)] == [0, 0]
    second = runs.run()
    assert (USED in second, PACKED in second) == (True, False)


def test_runs_at_the_same_time_share_the_folder(runs: Runs) -> None:
    for _ in range(2):
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda _: runs.run(), range(RUNS_AT_ONCE)))
    second = runs.run()
    assert (USED in second, PACKED in second) == (True, False)
    assert [path.name for path in runs.kept()[0].parent.iterdir()] == [NAME]


def test_the_next_run_uses_bytecode(runs: Runs) -> None:
    runs.play.write_text(f"{PLAY}      args: {{data: crash}}\n      ignore_errors: true\n")
    outputs = [runs.run(ANSIBLE_DISPLAY_TRACEBACK="always") for _ in range(2)]
    # The path of a file without the folder of the archive: no file of this host was compiled.
    assert ['File \\"/ansible/modules/ping.py\\", line ' in output for output in outputs] == [False, True]


def test_a_module_utility_of_the_operator_makes_ansible_pack_anew(runs: Runs) -> None:
    runs.run()
    own = runs.play.parent / "module_utils"
    own.mkdir()
    (own / "words.py").write_text("WORD = 1\n")
    assert PACKED in runs.run(ANSIBLE_MODULE_UTILS=str(own))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another account")
def test_what_belongs_to_another_account_is_not_used(runs: Runs) -> None:
    runs.run()
    (kept,) = runs.kept()
    os.chown(kept.parent, 1, 1)
    assert PACKED in runs.run()
