"""The locks of apt and dpkg, held by another process, on files that stand for those of the host."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.host import package_locks

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.lockf(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


def hold(path: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_free_lock_and_one_that_does_not_exist(tmp_path: Path) -> None:
    free = tmp_path / "lock"
    free.touch()
    assert package_locks.wait(60, [str(tmp_path / "none"), str(free)]) is None


def test_who_holds_a_lock(tmp_path: Path) -> None:
    free, held = tmp_path / "free", tmp_path / "held"
    free.touch()
    process = hold(held, 600)
    try:
        holder = package_locks.wait(0.1, [str(free), str(held)])
        assert holder is not None
        assert (holder.path, holder.pid) == (str(held), process.pid)
        expected = f"{holder.program} (process {process.pid}), which holds {held}"
        assert holder.program.startswith("python")
        assert str(holder) == expected
        message = package_locks.timeout_text("web1", holder)
        assert message.startswith(f"no package was installed on web1: 900 s passed in waiting for {expected}; ")
    finally:
        process.kill()
        process.wait()


def test_the_wait_ends_with_the_holder(tmp_path: Path) -> None:
    held = tmp_path / "held"
    begin = time.monotonic()
    process = hold(held, 2)
    assert package_locks.wait(300, [str(held)]) is None
    assert 2 <= time.monotonic() - begin < 250
    assert process.wait() == 0


def test_who_is_waited_for_is_said_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As ``./grove`` does it before its first package."""
    held = tmp_path / "held"
    process = hold(held, 600)
    try:
        with pytest.raises(SystemExit, match=r"^grove: no package was installed on this machine: "):
            package_locks.main([str(held)], seconds=1.5)
    finally:
        process.kill()
        process.wait()
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("grove: waiting for python")
    assert line.endswith(f" (process {process.pid}), which holds {held}, at most 1 s")
    package_locks.main([str(held)], seconds=0)
    assert capsys.readouterr() == ("", "")


def test_a_holder_that_cannot_be_seen() -> None:
    """A process of another container that shares the file has the number 0 here."""
    unseen = package_locks.Holder("/var/lib/dpkg/lock", 0, "")
    assert str(unseen) == "a program outside the host, which holds /var/lib/dpkg/lock"
