"""Which packages of Debian a host has, as dpkg says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

PLAIN = re.compile(r"[a-z0-9][a-z0-9+.-]+")
"""The name of a package without a version, an architecture or a wildcard."""


def missing(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are not installed, or of which only apt can tell.

    These are virtual packages, and names with a version, an architecture or a wildcard. Without dpkg, all are missing.
    """
    names = list(names)
    plain = [name for name in names if PLAIN.fullmatch(name)]
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", "--", *plain]
    try:
        # The exit status tells that one of the names is not known.
        done = subprocess.run(command, capture_output=True, text=True, check=False) if plain else None
    except OSError:
        done = None
    lines = done.stdout.splitlines() if done else []
    installed = {line.partition(" ")[0] for line in lines if line.endswith(" installed")}
    return [name for name in names if name not in installed]
