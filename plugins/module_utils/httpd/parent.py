"""The parent process of this host's own Apache."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.host import processes


def find(pid_file: Path, program: str) -> int | None:
    """Return the process that Apache's pid file names; None when Apache does not run.

    A file that a dead Apache has left may name a number that another program has now, or a container's Apache: the
    process has to run ``program`` (its name in the process table), in the same PID namespace as this one.
    """
    try:
        pid = int(pid_file.read_text().strip())
    except (OSError, ValueError):
        return None
    return pid if processes.program(pid) == program and processes.is_local(pid) else None
