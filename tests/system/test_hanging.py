"""The watch over requests that hang, in processes of their own."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from grove_runtime import hanging, turn
from grove_runtime.hanging import Watch

WSGI = Path(__file__).resolve().parents[2] / "wsgi"
PROCESS = """
import signal, sys, threading, time
sys.path.insert(0, sys.argv[1])
import logging
logging.basicConfig(format="%(message)s")
from grove_runtime import hanging
hanging.SENDING_SECONDS = 0.5
received = []
signal.signal(signal.SIGINT, lambda number, frame: received.append(print("SIGINT", flush=True)))

def application(environ, start_response):
    time.sleep(environ["seconds"])
    return []

guarded = hanging.guard(application, 2)
guarded({"seconds": 0.1}, None)
threading.Thread(target=guarded, args=({"seconds": 60, "REQUEST_METHOD": "GET", "PATH_INFO": "/slow"}, None)).start()
end = time.monotonic() + 60
while not received and time.monotonic() < end:
    guarded({"seconds": 0.05}, None)
time.sleep(60)
print("not replaced")
"""


def test_a_hanging_request_ends_the_process() -> None:
    completed = subprocess.run(
        [sys.executable, "-c", PROCESS, str(WSGI)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (completed.returncode, completed.stdout) == (-signal.SIGKILL, "SIGINT\n")
    assert re.search(r"hanging: GET /slow has taken \d+ s, and this process is replaced; it is at\n", completed.stderr)
    assert "in application" in completed.stderr


@pytest.fixture(autouse=True)
def _own_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock of its own for each test, since a turn is kept until the process ends."""
    (tmp_path / "turn").touch()
    monkeypatch.setattr(turn, "__file__", str(tmp_path / "turn"))


def watched(**seconds: float) -> Watch:
    watch = Watch(10.0, turn.Turn())
    watch.running = {name: hanging.Request(time.monotonic() - ago, 0, f"GET /{name}") for name, ago in seconds.items()}
    return watch


def test_requests_that_do_not_hang_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hanging, "SENDING_SECONDS", 0.0)
    assert watched(a=1.0, b=2.0).due_signal() is None
    watch = watched(a=1.0, b=11.0)
    assert watch.due_signal() == signal.SIGINT
    assert watch.due_signal() is None
    del watch.running["a"]
    assert watch.due_signal() == signal.SIGKILL


def test_one_process_at_a_time() -> None:
    with open(turn.__file__, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert watched(a=11.0).due_signal() is None
    assert watched(a=11.0).due_signal() == signal.SIGINT
