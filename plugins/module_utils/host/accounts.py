"""Running commands as an application's account."""

from __future__ import annotations

import pwd
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+@")


def without_passwords(text: str) -> str:
    """Return a program's output with the passwords of URLs blotted out."""
    return URL_PASSWORD.sub(r"\1:********@", text)


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
