"""The Debian packages that tests need."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable


def missing(names: Iterable[str]) -> list[str]:
    """Return the packages that are not installed. Without dpkg, return none."""
    required = sorted(names)
    if not required or not shutil.which("dpkg-query"):
        return []
    query = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *required]
    lines = subprocess.run(query, capture_output=True, text=True, check=False).stdout.splitlines()
    return [name for name in required if f"{name} installed" not in lines]


def install(names: list[str], _: object = None) -> None:
    """Install the packages, as root; raise RuntimeError with apt's own words if that fails."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "--no-install-recommends", *names]):
        command = ["apt-get", "--quiet", "--yes", *arguments]
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if completed.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {completed.stderr.strip()}")
