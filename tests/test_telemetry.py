"""The tests of the package wsgi/telemetry, which have a root of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "wsgi" / "telemetry"
DATABASES = os.environ.get("TELEMETRY_TEST_DATABASES", "sqlite")
"""Here the embedded database alone; the package's README says how to run them on all three."""


@pytest.mark.timeout(900)
def test_telemetry() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ignore=tests/functional/test_messaging.py"],
        cwd=PACKAGE,
        env=os.environ | {"TELEMETRY_TEST_DATABASES": DATABASES},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"[1-9]\d* passed", done.stdout)
