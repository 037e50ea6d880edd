"""A host that is restarted by hand, as docs/testing.md says."""

from __future__ import annotations

import subprocess
from pathlib import Path

from served import Host, wait_for

PROGRAM = Path(__file__).resolve().parents[1] / "shared" / "host.py"


def test_a_restarted_host_serves_what_it_served(host: Host) -> None:
    live = {record["name"]: host.live(record["name"]) for record in host.apps}
    boot = host.run("cat", "/proc/1/stat").split()[21]
    completed = subprocess.run([PROGRAM, "restart", host.container], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.strip() == host.address
    assert host.run("cat", "/proc/1/stat").split()[21] != boot
    assert {name: host.live(name) for name in live} == live

    def answers() -> str:
        paths = {one["name"]: one.get("path", "").rstrip("/") + one.get("health", "/") for one in host.apps}
        try:
            return "yes" if {host.ask(name, path).status for name, path in paths.items()} == {200} else ""
        except OSError:
            return ""

    assert wait_for(answers, 120)
