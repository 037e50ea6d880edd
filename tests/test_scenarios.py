"""Each molecule scenario, from a fresh host to its removal."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import IO

import pytest
from runner.failures import failure
from runner.parts import COSTS, LOGS, REPOSITORY, Cost

TIME_LIMIT = 3000
"""Seconds for one scenario, unless twice its cost is more."""
LONGEST = max(TIME_LIMIT, *(2 * cost.seconds for cost in COSTS.values()))
"""Seconds for the scenario with the most time."""
REMOVAL_TIME_LIMIT = 60
"""Seconds for the removal of the hosts of a scenario that was stopped."""
ENVIRONMENT = {
    # Molecule names its folders in there after the last part of the clone's path alone.
    "ANSIBLE_HOME": str(REPOSITORY / ".cache" / "ansible"),
    "ANSIBLE_NOCOLOR": "1",
    "COLUMNS": "200",
    "MOLECULE_COMMAND_BORDERS": "0",
    "NO_COLOR": "1",
}


@pytest.fixture(scope="module")
def _podman() -> None:
    """Fail with podman's own reason where it cannot run."""
    try:
        completed = subprocess.run(["podman", "info"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.fail("scenarios need podman, and it is not installed", pytrace=False)
    if completed.returncode:
        pytest.fail(f"podman cannot run here: {completed.stderr.strip().splitlines()[-1]}", pytrace=False)


@pytest.mark.timeout(LONGEST + 60)
@pytest.mark.usefixtures("_podman")
@pytest.mark.debian_packages("podman", "runc", "netavark", "aardvark-dns", "uidmap", "iptables", "mmdebstrap")
def test_scenario(scenario: str) -> None:
    """Run molecule's whole sequence; its output is in a log that can be followed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{scenario}.log"
    checks = LOGS / f"{scenario}-checks.log"
    checks.unlink(missing_ok=True)
    status = run_molecule(scenario, log)
    if status:
        shown = failure(log.read_text(), checks.read_text() if checks.exists() else "")
        pytest.fail(f"molecule test -s {scenario}: {status}\n{shown}", pytrace=False)


def run_molecule(scenario: str, log: Path) -> str:
    """Run the scenario with its output in log; return its error, or an empty text. Its hosts are removed afterwards."""
    limit = max(TIME_LIMIT, 2 * COSTS.get(scenario, Cost()).seconds)
    with log.open("w") as output:
        process = start_molecule("test", scenario, output)
        try:
            status = process.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            return f"not done in {limit} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                start_molecule("destroy", scenario, output).wait(timeout=REMOVAL_TIME_LIMIT)
    return f"exit status {status}" if status else ""


def start_molecule(verb: str, scenario: str, output: IO[str]) -> subprocess.Popen[bytes]:
    """Start molecule in a process group of its own; return the process."""
    # The kernel ends it when this process ends, for whatever reason.
    guard = ["setpriv", "--pdeathsig", "KILL"]
    # Molecule finds that file by itself only below a folder with .git.
    molecule = ["molecule", "--base-config", ".config/molecule/config.yml", verb, "--scenario-name", scenario]
    return subprocess.Popen(
        [*guard, *molecule],
        cwd=REPOSITORY,
        env=os.environ | ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
