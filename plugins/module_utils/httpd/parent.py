"""The parent process of this host's own Apache."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.host import processes

NOT_RUNNING = "Apache does not run"
ORPHANED = (
    "the parent process of Apache has died, and the processes that it has left serve on unwatched: restart Apache"
)


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


def problem(pid_file: Path, program: str) -> str:
    """Return why Apache is not as it has to be; empty when its parent process runs."""
    if find(pid_file, program) is not None:
        return ""
    if any(processes.program(pid) == program and processes.is_local(pid) for pid in processes.pids()):
        return ORPHANED
    return NOT_RUNNING


def replaced(pid_file: Path, program: str) -> list[str]:
    """Return the names of the program and the libraries that Apache runs with, and that were replaced on the disk.

    So it is after an upgrade of a package. Apache has the former files until the next handover, or a restart.
    """
    pid = find(pid_file, program)
    return sorted({Path(path).name for path in processes.replaced_files(pid)}) if pid is not None else []
