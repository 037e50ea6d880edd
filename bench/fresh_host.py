"""Fresh test hosts with the repository on them, and commands there."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
HOST = REPOSITORY / "molecule" / "shared" / "host.py"
CHECKOUT = "/root/grove"
BUNDLE = "/usr/local/share/grove-ca.crt"
# A cache of its own. With the cache that test hosts share, the second of two hosts would find the first one's wheels.
FRONT = f"cd {CHECKOUT} && SSL_CERT_FILE={BUNDLE} UV_CACHE_DIR=/var/cache/uv-front"

# Prints the nanoseconds of the processor that a host has used.
CPU_TIME = (
    "cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null ||"
    " awk '/^usage_usec/ {print $2 * 1000}' /sys/fs/cgroup/cpu.stat"
)


def on(host: str, command: str) -> tuple[float, str]:
    """Run a command on a host; return its seconds and what it printed. Ends the program when the command fails."""
    begun = time.monotonic()
    completed = subprocess.run(
        ["podman", "exec", host, "sh", "-c", command],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if completed.returncode:
        sys.exit(f"{host}: {command}\n{completed.stdout[-3000:]}\n{completed.stderr[-3000:]}")
    return time.monotonic() - begun, completed.stdout


def fresh(name: str, release: str) -> str:
    """Make a fresh host with the repository's tracked files on it; return its name."""
    subprocess.run([HOST, "create", name, release], check=True, stdout=subprocess.DEVNULL)
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        with tarfile.open(archive.name, "w") as packed:
            for path in tracked.split("\0"):
                if path and (REPOSITORY / path).exists():
                    packed.add(REPOSITORY / path, f"grove/{path}", recursive=False)
        subprocess.run(["podman", "cp", archive.name, f"{name}:/root/grove.tar"], check=True)
    on(name, "tar -xf /root/grove.tar -C /root")
    return name


class NotAnsweredError(Exception):
    """A URL was not answered with 200, or the program that asks for it failed; the message is the program's own."""


def send_requests(
    host: str, url: str, clients: Sequence[int], *, seconds: int, warm_up: int, wait: int, units: Sequence[str] = ()
) -> Any:
    """Ask for a URL by wrk from a host that has bench/load_on_host.py and wrk; return what that program prints.

    clients: how many of them, one measurement after the other, of ``seconds`` each. warm_up: seconds of requests that
    are not measured. wait: seconds within which the URL has to be answered. Raises NotAnsweredError.
    """
    # What podman starts belongs to the control group of the host, whose processor time the program reads.
    command = ["podman", "exec", host, "python3", f"{CHECKOUT}/bench/load_on_host.py", url, f"--wait={wait}"]
    command += [f"--seconds={seconds}", f"--warm-up={warm_up}"]
    command += [*(f"--clients={number}" for number in clients), *(f"--unit={unit}" for unit in units)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise NotAnsweredError(completed.stderr)
    return json.loads(completed.stdout)
