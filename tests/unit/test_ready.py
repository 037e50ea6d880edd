"""Programs that do not tell systemd when they are ready, run by wsgi/grove_runtime/ready.py."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

READY = Path(__file__).resolve().parents[2] / "wsgi" / "grove_runtime" / "ready.py"
PROGRAM = """
import os, sys

class Service:
    def start(self, fails=False):
        assert "NOTIFY_SOCKET" in os.environ
        if fails:
            sys.exit("cannot start")
        return 3

def main():
    result = Service().start(fails="--fails" in sys.argv)
    print(result, sys.argv, "NOTIFY_SOCKET" in os.environ)
    return 4
"""


def run(folder: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], list[bytes]]:
    """Run a program that systemd waits for; return what it did, and what it told systemd."""
    (folder / "program.py").write_text(PROGRAM)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(folder / "notify"))
        systemd.setblocking(False)
        environment = {**os.environ, "NOTIFY_SOCKET": str(folder / "notify"), "PYTHONPATH": str(folder)}
        command = [sys.executable, str(READY), "program:Service.start", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        messages = []
        while True:
            try:
                messages.append(systemd.recv(100))
            except BlockingIOError:
                return done, messages


def test_systemd_is_told_when_the_function_has_returned(tmp_path: Path) -> None:
    done, messages = run(tmp_path, "program:main", "--config-file", "a b")
    assert done.stdout == "3 ['main', '--config-file', 'a b'] False\n"
    assert done.returncode == 4
    assert messages == [b"READY=1"]


def test_a_program_that_does_not_get_ready_tells_nothing(tmp_path: Path) -> None:
    done, messages = run(tmp_path, "program:main", "--fails")
    assert (done.returncode, done.stderr, messages) == (1, "cannot start\n", [])


@pytest.mark.parametrize("words", [(), ("program",), ("program:absent",), ("absent:main",)])
def test_a_program_that_cannot_be_found(tmp_path: Path, words: tuple[str, ...]) -> None:
    done, messages = run(tmp_path, *words)
    assert (done.returncode, messages) == (1, [])
    assert done.stderr
