"""What the processes of tasks inherit from ansible-playbook, with the callback ``preloaded``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CORE = "ansible.plugins.filter.core"
OWN = "ansible_collections.grove.wsgi.plugins.filter.records"
PLAY = """\
- hosts: localhost
  gather_facts: false
  roles: {roles}
  tasks:
    - name: Tell what this process has imported without using it
      loaded:
"""
ACTION = """\
import json, sys
from pathlib import Path
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        Path("loaded.json").write_text(json.dumps(sorted(sys.modules)))
        return {}
"""


@pytest.mark.parametrize(
    ("roles", "callback", "expected"),
    [
        ("[empty]", "grove.wsgi.preloaded", [True, True]),
        ("[]", "grove.wsgi.preloaded", [True, False]),
        ("[empty]", "grove.wsgi.packed", [False, False]),
    ],
)
def test_the_process_of_a_task_has_the_filters(roles: str, callback: str, expected: list[bool], tmp_path: Path) -> None:
    for folder in ("action_plugins", "roles/empty/tasks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "action_plugins" / "loaded.py").write_text(ACTION)
    (tmp_path / "roles" / "empty" / "tasks" / "main.yml").write_text("[]\n")
    (tmp_path / "play.yml").write_text(PLAY.format(roles=roles))
    done = subprocess.run(
        [Path(sys.prefix, "bin", "ansible-playbook"), "--connection", "local", "-i", "localhost,", "play.yml"],
        env={**os.environ, "ANSIBLE_HOME": str(tmp_path / "home"), "ANSIBLE_CALLBACKS_ENABLED": callback},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout + done.stderr
    names = json.loads((tmp_path / "loaded.json").read_text())
    # Ansible gives the files of its own filters names that end with a number.
    assert [any(name.startswith(f"{CORE}_") for name in names), OWN in names] == expected
