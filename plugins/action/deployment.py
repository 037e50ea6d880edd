"""The controller's half of the module ``deployment``: it describes this run, and sees whether another one has ended."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
from typing import Any

from ansible.plugins.action import ActionBase

MODULE = "grove.wsgi.deployment"


def started(pid: int) -> str:
    """Return when a process of this machine was started, as ps prints it; empty when there is no such process."""
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    done = subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def this_run() -> dict[str, Any]:
    """Describe the process of ansible-playbook; actions run in a child of it."""
    pid = os.getppid()
    return {"controller": platform.node(), "pid": pid, "started": started(pid), "user": getpass.getuser()}


def is_gone(run: dict[str, Any]) -> bool:
    """Return whether a run was started on this controller and has ended."""
    return bool(run["controller"] == platform.node() and started(int(run["pid"])) != run["started"])


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.deployment``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Begin or end the deployment of ``apps``."""
        super().run(tmp, task_vars)
        arguments = {**self._task.args, "run": this_run()}
        result: dict[str, Any] = self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
        gone = [run for run in result.get("held", []) if is_gone(run)]
        if result.get("failed") and gone:
            result = self._execute_module(MODULE, module_args={**arguments, "dead": gone}, task_vars=task_vars)
        return result
