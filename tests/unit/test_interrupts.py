"""Ctrl-C while Ansible copies its process."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
import types

import pytest
from ansible.executor.process.worker import WorkerProcess
from ansible.utils.multiprocessing import context
from ansible_collections.grove.wsgi.plugins.plugin_utils.console import interrupts
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.interrupts import is_alive

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


@pytest.mark.parametrize("ignored", [KeyboardInterrupt, ValueError])
def test_a_second_interruption_while_the_first_one_is_noted(
    monkeypatch: pytest.MonkeyPatch, ignored: type[BaseException]
) -> None:
    """Or while the complaint about another exception is shown."""
    arriving = [KeyboardInterrupt()]

    def interrupted(*_: object) -> int:
        if arriving:
            raise arriving.pop()
        return 0

    kept = signal.getsignal(signal.SIGINT)
    found = interrupts.Interrupts()
    found.process = 0
    found.before = interrupted
    monkeypatch.setattr(os, "getpid", interrupted)
    try:
        found._ignored(types.SimpleNamespace(exc_type=ignored))
    finally:
        signal.signal(signal.SIGINT, kept)
    assert found.lost.is_set()
    assert arriving == []


COPY = """
import multiprocessing, os, signal, sys, time
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.interrupts import Interrupts

first = os.getpid()
arrived = os.pipe()

def handler(number, frame):  # as Ansible's, which asks for other workers: "can only test a child process"
    assert os.getpid() == first, "a handler of the first process"
    raise KeyboardInterrupt

def slow_start():
    os.write(arrived[1], b".")
    time.sleep(0.5)

number = int(sys.argv[1])
signal.signal(signal.SIGINT, handler)
signal.signal(signal.SIGTERM, handler)
os.register_at_fork(after_in_child=slow_start)
if sys.argv[2] == "watched":
    Interrupts().watch()
# Without the module, the copy goes on after the signal.
seconds = 60 if sys.argv[2] == "watched" else 1
worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(seconds,))
worker.start()
os.read(arrived[0], 1)
os.kill(worker.pid, number)
worker.join()
print(worker.exitcode, signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_new_copy_ends_in_silence(number: signal.Signals) -> None:
    done = [
        subprocess.run(
            [sys.executable, "-c", COPY, str(int(number)), how],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        for how in ("watched", "plain")
    ]
    assert (done[0].stdout, done[0].stderr) == (f"{-number} set()\n", "")
    assert "AssertionError: a handler of the first process" in done[1].stderr, "the module is of no use any more"


def test_a_closed_worker_is_not_alive() -> None:
    """Ansible closes a worker that has ended, and keeps it until it has made the next one."""
    worker = WorkerProcess.__new__(WorkerProcess)
    context.Process.__init__(worker)
    # Ansible's own work would fail at once, for want of a task.
    worker.run = functools.partial(time.sleep, 600)
    assert not is_alive(worker), "not started yet"
    # A worker of Ansible's holds the lock of the display while it starts.
    context.Process.start(worker)
    assert is_alive(worker)
    context.Process.kill(worker)
    worker.join()
    assert not is_alive(worker)
    worker.close()
    with pytest.raises(ValueError, match="process object is closed"):
        context.Process.is_alive(worker)
    assert not is_alive(worker)
