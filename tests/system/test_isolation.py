"""What a process can do after isolation.enter. The unit tests run in such a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.debian_packages("apache2", "gcc")

PROGRAM = """
import json, os, socket, subprocess, sys
from pathlib import Path
from runner import isolation

isolation.enter(Path(sys.argv[1]).parent / "home")

def refused(attempt):
    try:
        attempt()
    except OSError:
        return True
    return False

with socket.create_server(("127.0.0.1", 0)) as server:
    loopback = not refused(lambda: socket.create_connection(server.getsockname()).close())
result = {
    "user": os.getuid(),
    "loopback": loopback,
    "child": subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True).stdout,
    "refused": {
        "network": refused(lambda: socket.create_connection(("192.0.2.1", 80), 2)),
        "compiler": refused(lambda: subprocess.run(["gcc", "--version"])),
        "apache": refused(lambda: subprocess.run(["/usr/sbin/apache2", "-v"])),
        "root": refused(lambda: os.setuid(0)),
        "files of the system": refused(lambda: open("/etc/grove-probe", "w").close()),
        "other accounts": refused(lambda: os.chown(sys.argv[1], 33, 33)),
        "file systems": subprocess.run(["mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0,
    },
}
print(json.dumps(result))
"""


def test_only_files_and_loopback_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    completed = subprocess.run(
        [sys.executable, "-c", PROGRAM, path],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    result = json.loads(completed.stdout)
    assert result["user"] != 0
    assert result["loopback"]
    assert result["child"] == "42\n"
    assert [name for name, refused in result["refused"].items() if not refused] == []
