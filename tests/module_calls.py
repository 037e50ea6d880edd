"""Calling a module as Ansible does: in a process of its own, with JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any


def call(module: str, *, check: bool = False, **arguments: object) -> dict[str, Any]:
    """Run a module in a process of its own and return its result."""
    request = {"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check, "_ansible_diff": True}}
    command = [sys.executable, "-m", f"ansible_collections.grove.wsgi.plugins.modules.{module}"]
    completed = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=False)
    assert completed.stdout, completed.stderr
    result: dict[str, Any] = json.loads(completed.stdout)
    return result
