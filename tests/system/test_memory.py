"""The guard of a process's memory, in processes that have a limit."""

from __future__ import annotations

import fcntl
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from grove_runtime import memory, turn

WSGI = Path(__file__).resolve().parents[2] / "wsgi"
PROCESS = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from grove_runtime import memory
signals = []
signal.signal(signal.SIGINT, lambda number, frame: signals.append(number))
limit = 300 << 20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
kept = []
def application(environ, start_response):
    kept.append(bytearray(environ["mb"] << 20))
    return [b"fed"]
guarded = memory.guard(application)
for mb in (1, 1, %s):
    try:
        print(guarded({"mb": mb}, None), len(signals))
    except MemoryError:
        print("MemoryError", len(signals))
"""


def run(sizes: str) -> list[str]:
    command = [sys.executable, "-c", PROCESS % sizes, str(WSGI)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_a_process_that_nears_its_limit_ends_itself_once() -> None:
    assert run("265, 1, 1") == ["[b'fed'] 0", "[b'fed'] 0", "[b'fed'] 1", "[b'fed'] 1", "[b'fed'] 1"]


def test_a_failed_allocation_ends_the_process() -> None:
    assert run("1000, 1") == ["[b'fed'] 0", "[b'fed'] 0", "MemoryError 1", "[b'fed'] 1"]


class Clock:
    """The clock of the module ``turn``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(turn, "time", self)

    def monotonic(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


def test_processes_end_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "turn").touch()
    monkeypatch.setattr(turn, "__file__", str(tmp_path / "turn"))
    clock = Clock(monkeypatch)
    with open(turn.__file__, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting, urgent = turn.Turn(), turn.Turn()
        assert not waiting.acquire(urgent=False)
        assert not urgent.acquire(urgent=True)
    assert not waiting.acquire(urgent=False)
    assert urgent.acquire(urgent=True)
    assert not urgent.acquire(urgent=True)
    clock.pass_by(turn.SUCCESSOR_SECONDS)
    assert not waiting.acquire(urgent=False)


def test_a_successor_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "turn").touch()
    monkeypatch.setattr(turn, "__file__", str(tmp_path / "turn"))
    clock = Clock(monkeypatch)
    waiting = turn.Turn()
    with open(turn.__file__, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not waiting.acquire(urgent=False)
    assert not waiting.acquire(urgent=False)
    clock.pass_by(turn.SUCCESSOR_SECONDS / 2)
    assert not waiting.acquire(urgent=False)
    clock.pass_by(turn.SUCCESSOR_SECONDS / 2)
    assert waiting.acquire(urgent=False)


def test_without_a_limit_nothing_is_wrapped() -> None:
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
    application: Any = run
    assert memory.guard(application) is application
    assert memory.data_size() > 0
