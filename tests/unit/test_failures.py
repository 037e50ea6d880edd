"""What a failed scenario prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from runner.failures import CHECK_LINES, TASK_LINES, failure

MOLECULE = """\
TASK [Install] *****
ok: [localhost]
TASK [Run the checks] *****
fatal: [localhost]: FAILED! => non-zero return code
"""


def checks_output(folder: Path, code: str) -> str:
    """Return what pytest prints for a file with the given code."""
    (folder / "test_it.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "--verbose", "--durations=5", "-p", "no:cacheprovider", str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (
            "def test_one():\n    assert 1 + 1 == 3\ndef test_two():\n    pass\n",
            ("FAILED test_it.py::test_one", "assert (1 + 1) == 3"),
        ),
        ("import nowhere\n", ("ERROR test_it.py", "No module named 'nowhere'")),
        (
            "import pytest\n@pytest.fixture\ndef host():\n    raise OSError('away')\ndef test_one(host):\n    pass\n",
            ("ERROR test_it.py::test_one - OSError: away", "raise OSError('away')"),
        ),
    ],
    ids=["check", "import", "fixture"],
)
def test_failed_checks_are_shown(tmp_path: Path, code: str, shown: tuple[str, ...]) -> None:
    text = failure(MOLECULE, checks_output(tmp_path, code))
    for part in shown:
        assert part in text
    assert "TASK [" not in text
    assert "slowest" not in text


def test_long_reports_are_cut_after_the_names(tmp_path: Path) -> None:
    code = "def test_one():\n    print('\\n'.join(map(str, range(1000))))\n    assert 0\n"
    lines = failure(MOLECULE, checks_output(tmp_path, code)).splitlines()
    assert lines[0].startswith("FAILED test_it.py::test_one")
    assert "lines are left out" in lines[1]
    assert len(lines) == 2 + CHECK_LINES
    assert lines[-1] == "999"


@pytest.mark.parametrize("checks", ["", "===== test session starts =====\ncollected 1 item\n"], ids=["none", "cut off"])
def test_the_failed_task_is_shown_where_no_check_has_failed(checks: str) -> None:
    text = failure(MOLECULE + "more\n" * 100, checks)
    assert text.startswith("TASK [Run the checks] *****\nfatal: [localhost]")
    assert len(text.splitlines()) == TASK_LINES


def test_passed_checks_hide_no_failed_task(tmp_path: Path) -> None:
    checks = checks_output(tmp_path, "def test_one():\n    pass\n")
    assert "1 passed" in checks
    assert failure(MOLECULE, checks).startswith("TASK [Run the checks]")
