"""Trying a release outside Apache, as its daemon processes would run it."""

from __future__ import annotations

import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import run_as, without_passwords

# Exit codes of the trial in ``wsgi/grove_runtime``: it answered as it has to; it did not, and may with a database.
WELL, UNWELL = 0, 3
SHOWN_LINES = 15


@dataclass(frozen=True)
class Trial:
    """What a release is asked: the URL path below which it is mounted, its health path below that, and for how long."""

    script_name: str
    health: str
    seconds: int


@dataclass(frozen=True)
class Verdict:
    """Whether the release answered with 200, whether it is whole at least, and the last lines of what it said."""

    well: bool
    whole: bool
    said: str = ""


def try_out(release: Path, trial: Trial, account: pwd.struct_passwd) -> Verdict:
    """Load the release as its account and ask for the health path; ``said`` ends with the reason if it is not well."""
    command = [
        f"{release}/venv/bin/python",
        *("-I", f"{release}/runtime/grove_runtime/trial.py"),
        *(str(release), trial.script_name, trial.health),
    ]
    try:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": account.pw_dir}
        done = run_as(account, command, environment=environment, folder=Path("/"), timeout=trial.seconds)
    except subprocess.TimeoutExpired:
        said = f"key start_timeout: the release did not answer {trial.health} within {trial.seconds} s"
        # It may be waiting for a database, of which its migration knows more.
        return Verdict(well=False, whole=True, said=said)
    said = without_passwords("\n".join(done.stdout.strip().splitlines()[-SHOWN_LINES:]))
    return Verdict(well=done.returncode == WELL, whole=done.returncode in (WELL, UNWELL), said=said)
