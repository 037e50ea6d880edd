"""Which packages of Debian a host has, as dpkg says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable

PLAIN = re.compile(r"[a-z0-9][a-z0-9+.-]+")
"""The name of a package without a version, an architecture or a wildcard."""


def installed(names: Iterable[str]) -> list[str]:
    """Return those of ``names`` that are installed as dpkg knows; none on a host without dpkg.

    Virtual packages, and names with a version, an architecture or a wildcard, are not among them: only apt knows these.
    """
    plain = [name for name in names if PLAIN.fullmatch(name)]
    command = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\\n", "--", *plain]
    try:
        # The exit status tells that one of the names is not known.
        done = subprocess.run(command, capture_output=True, text=True, check=False) if plain else None
    except OSError:
        return []
    lines = done.stdout.splitlines() if done else []
    present = {line.partition(" ")[0] for line in lines if line.endswith(" installed")}
    return [name for name in plain if name in present]
