"""Commands that only read."""

from __future__ import annotations

import os
import subprocess

from ansible_collections.grove.wsgi.plugins.module_utils.doctor.limits import COMMAND_SECONDS


def output(*command: str) -> str | None:
    """Return what a command prints; None where it is not there, fails without an answer, or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=COMMAND_SECONDS,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode and not done.stdout else done.stdout
