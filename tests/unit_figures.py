"""What systemd-analyze says of a unit's file; it needs no systemd that runs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def exposure(unit: Path) -> float:
    """Return the figure of ``systemd-analyze security``, from 0.0 (safe) to 10.0."""
    command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", completed.stdout)
    assert match is not None, completed.stdout
    return float(match.group(1))


def complaints(unit: Path) -> str:
    """Return the lines in which systemd complains about a directive of the unit."""
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (completed.stdout + completed.stderr).splitlines()
    return "\n".join(line for line in lines if str(unit) in line or f"{unit.name}:" in line)
