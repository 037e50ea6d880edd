"""Packed modules that one run of Ansible leaves to the next."""

from __future__ import annotations

import os
import subprocess
import sys
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
            # Ansible refuses one that does not block, as another program may leave the one of all tests.
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout + done.stderr

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
    assert kept.stat().st_mode & 0o077 == 0 or kept.parent.stat().st_mode & 0o077 == 0
    second = runs.run()
    assert (USED in second, PACKED in second) == (True, False)


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
