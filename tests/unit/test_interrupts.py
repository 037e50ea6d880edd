"""Ctrl-C while Ansible copies its process."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import os, signal, sys, time
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.interrupts import Interrupts

def handler(number, frame):  # as Ansible's
    signal.signal(number, signal.SIG_DFL)
    raise KeyboardInterrupt

signals = int(sys.argv[2])

def ctrl_c():
    global signals
    if signals:
        signals -= 1
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, handler)
os.register_at_fork(**{sys.argv[1]: ctrl_c})
if sys.argv[3] == "watched":
    Interrupts().watch()
try:
    end = time.monotonic() + (60 if sys.argv[3] == "watched" else 1)
    while time.monotonic() < end:
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        time.sleep(0.03)
except KeyboardInterrupt:
    sys.exit(99)
"""


def status(moment: str, signals: int, how: str) -> tuple[int, str]:
    """Return the exit status of a program that gets Ctrl-C at a moment of a copy, and what it complains about."""
    command = [sys.executable, "-c", PROGRAM, moment, str(signals), how]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stderr


def test_python_loses_the_exception() -> None:
    """The fault that the module mends; without it, the module is of no use any more."""
    code, complaints = status("before", 1, "plain")
    assert code == 0
    assert "Exception ignored in: <function ctrl_c" in complaints


def test_a_lost_interruption_is_raised_again() -> None:
    for moment in ("before", "after_in_parent"):
        assert status(moment, 1, "watched") == (99, ""), moment


def test_an_interruption_that_is_lost_several_times() -> None:
    assert status("before", 3, "watched") == (99, "")
