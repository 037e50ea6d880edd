"""The controller's half of the module ``deployment``: it describes this run, and sees whether another one has ended."""

from __future__ import annotations

import getpass
import multiprocessing
import os
import platform
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

MODULE = "grove.wsgi.deployment"


PROC = Path("/proc")
TICK = ", tick "


def started(pid: int) -> str:
    """Return when a process of this machine was started, for a person; empty when there is no such process.

    Linux tells in ticks since its own start, field 22 of proc_pid_stat(5). They stand at the end, since the time of the
    clock may be corrected. Other systems have no such file, and a small Linux has no ps.
    """
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return "" if (PROC / "self" / "stat").exists() else started_by_ps(pid)
    state, *fields = text.rpartition(")")[2].split()
    ticks = int(fields[18])
    booted = next(int(line[6:]) for line in (PROC / "stat").read_text().splitlines() if line.startswith("btime "))
    return "" if state == "Z" else f"{time.ctime(booted + ticks / os.sysconf('SC_CLK_TCK'))}{TICK}{ticks}"


def started_by_ps(pid: int) -> str:
    """Return the same as ps prints it. An older Grove has noted it like that."""
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    try:
        done = subprocess.run(command, env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip()


def this_run() -> dict[str, Any]:
    """Describe the process of ansible-playbook; actions run in a child of it.

    The child outlives a killed ansible-playbook, and has another parent then: process 1, which never ends. Raises
    AnsibleActionFail when ansible-playbook has ended, since nobody would end what the child begins.
    """
    parent = multiprocessing.parent_process()
    pid = os.getppid() if parent is None or parent.pid is None else parent.pid
    moment = started(pid)
    if not moment:
        raise AnsibleActionFail("this run has ended, and begins no deployment")
    return {"controller": platform.node(), "pid": pid, "started": moment, "user": getpass.getuser()}


def is_gone(run: dict[str, Any]) -> bool:
    """Return whether a run was started on this controller and has ended."""
    if run["controller"] != platform.node():
        return False
    noted = str(run["started"])
    if not noted:
        # An older Grove could note a run that had ended.
        return True
    now = started(int(run["pid"])) if TICK in noted else started_by_ps(int(run["pid"]))
    return now.rpartition(TICK)[2] != noted.rpartition(TICK)[2]


def past_dead_runs(call: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> dict[str, Any]:
    """Call a module that begins a deployment, and return its result.

    call: calls the module with the runs that do not block. Where other runs block, and have ended, it is called again.
    """
    result = call([])
    gone = [run for run in result.get("held", []) if is_gone(run)]
    return call(gone) if result.get("failed") and gone else result


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.deployment``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Begin or end the deployment of ``apps``."""
        super().run(tmp, task_vars)
        arguments = {**self._task.args, "run": this_run()}

        def call(dead: list[dict[str, Any]]) -> dict[str, Any]:
            result: dict[str, Any] = self._execute_module(
                MODULE, module_args={**arguments, "dead": dead}, task_vars=task_vars
            )
            return result

        return past_dead_runs(call)
