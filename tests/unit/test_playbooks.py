"""Ansible reads every playbook before its first task, also when nothing is known of the hosts yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("inventory", ["cluster", "openstack"])
def test_every_playbook_is_read(inventory: str) -> None:
    playbooks = sorted(str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("playbooks/*.yml"))
    tool = str(Path(sys.executable).parent / "ansible-playbook")
    command = [tool, "--inventory", f"inventory/{inventory}", "--extra-vars", "host=api1", "--syntax-check"]
    done = subprocess.run([*command, *playbooks], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("playbook: ")[1:] == [f"{name}\n\n" for name in playbooks[:-1]] + [f"{playbooks[-1]}\n"]
