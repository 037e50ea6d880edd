"""Exceptions that end background threads, in the application's own log."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from grove_runtime import background

WSGI = Path(__file__).resolve().parents[2] / "wsgi"
FAILING = """
import logging, sys, threading
sys.path.insert(0, sys.argv[1])
from grove_runtime import background
if len(sys.argv) > 2:
    logging.basicConfig(filename=sys.argv[2], format="%(levelname)s %(name)s %(message)s")
background.install()
thread = threading.Thread(target=int, args=["not a number"], name="sender")
thread.start()
thread.join()
"""


@pytest.fixture(autouse=True)
def original(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)


def run(target: Callable[[], object]) -> None:
    thread = threading.Thread(target=target, name="sender")
    thread.start()
    thread.join()


def test_the_log_of_the_application_has_the_traceback(tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    done = subprocess.run([sys.executable, "-c", FAILING, WSGI, log], capture_output=True, text=True, check=True)
    text = log.read_text()
    assert text.startswith("ERROR grove_runtime.background an exception has ended the thread sender\n")
    assert "ValueError: invalid literal for int()" in text
    assert done.stderr == ""


def test_an_application_without_logging_loses_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", FAILING, WSGI], capture_output=True, text=True, check=True)
    assert "Traceback (most recent call last):" in done.stderr
    assert "sender" in done.stderr


def test_a_thread_may_end_itself(caplog: pytest.LogCaptureFixture) -> None:
    background.install()
    run(lambda: sys.exit(3))
    assert caplog.records == []


def test_the_hook_of_an_application_stays(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: seen.append(arguments.exc_type.__name__))
    background.install()
    run(lambda: int("not a number"))
    assert seen == ["ValueError"]
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
