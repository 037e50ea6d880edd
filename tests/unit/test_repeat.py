"""Programs that wsgi/grove_runtime/repeat.py runs again and again."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

REPEAT = Path(__file__).resolve().parents[2] / "wsgi" / "grove_runtime" / "repeat.py"
TIMES = ["often 3", "-1 3", "nan 3", "inf 3", "2 0", "2 -1", "2 nan", "2 inf", "2 long"]
WORDS = [[], ["2"], ["2", "3"], ["2", "true"], *([*times.split(), "true"] for times in TIMES)]


@pytest.mark.parametrize(
    ("limit", "end", "message"),
    [("30", "exit 3", "sh ended with status 3"), ("1.5", "exec sleep 10", "sh was killed after 1.5 seconds")],
)
def test_a_program_that_fails_is_named_and_runs_again(tmp_path: Path, limit: str, end: str, message: str) -> None:
    script = f"echo run >> {tmp_path}/runs; {end}"
    command = [sys.executable, str(REPEAT), "0.01", limit, "sh", "-c", script]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as repeat:
        deadline = time.monotonic() + 120
        runs = tmp_path / "runs"
        while not runs.exists() or len(runs.read_text().split()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        repeat.terminate()
        _, errors = repeat.communicate(timeout=60)
    assert errors.splitlines()[0] == f"repeat.py: {message}"


@pytest.mark.parametrize("words", WORDS)
def test_words_that_are_no_times_and_program_print_the_usage(words: list[str]) -> None:
    result = subprocess.run([sys.executable, str(REPEAT), *words], capture_output=True, text=True, timeout=60)
    assert (result.returncode, "Usage: repeat.py PAUSE" in result.stderr) == (1, True), result


def test_a_program_that_is_not_there_ends_the_repetition() -> None:
    command = [sys.executable, str(REPEAT), "0", "30", "/no/such/program"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    expected = "repeat.py: /no/such/program cannot be run: No such file or directory\n"
    assert (result.returncode, result.stderr) == (1, expected)
