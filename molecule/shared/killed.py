"""Runs of Ansible that are killed on their way."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 600.0
"""For a run of Ansible to get as far as a task, on a busy machine."""


def kill_at(command: Sequence[str], task: str, seconds: float = 0.0) -> bool:
    """Kill a run some seconds after it has begun a task; return whether it was still running.

    Fails when the run ends before the task.
    """
    environment: dict[str, Any] = os.environ | {"ANSIBLE_STDOUT_CALLBACK": "default", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    deadline = time.monotonic() + SECONDS
    output = []
    for line in process.stdout:
        output.append(line)
        if task in line:
            break
        assert time.monotonic() < deadline, "".join(output)
    else:
        raise AssertionError("".join(output))
    time.sleep(seconds)
    running = process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return running
