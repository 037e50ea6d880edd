"""Running commands as an application's account."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_as(
    account: pwd.struct_passwd,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command in ``folder`` with ``environment`` alone; ``stdout`` has both of its outputs.

    ``timeout`` is in seconds. Raises OSError, and subprocess.TimeoutExpired.
    """
    return subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        umask=0o027,
        check=False,
    )
