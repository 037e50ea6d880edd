"""Fresh test hosts with the repository on them, and commands there."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

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
