"""Runs the tests of the package wsgi/telemetry, which have a pytest configuration of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "wsgi" / "telemetry"
DATABASES = os.environ.get("TELEMETRY_TEST_DATABASES", "sqlite,postgresql,mariadb")
"""The databases to test. A named database that is not installed fails the test."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package, since entry points name its storage drivers. Return the folder."""
    folder = tmp_path_factory.mktemp("telemetry")
    source = folder / "source"
    shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    target = folder / "installed"
    install = ["uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(target), str(source)], check=True)
    return target


@pytest.mark.debian_packages("postgresql", "mariadb-server", "rabbitmq-server")
@pytest.mark.timeout(900)
def test_telemetry(installed: Path) -> None:
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=PACKAGE,
        env=os.environ | {"TELEMETRY_TEST_DATABASES": DATABASES, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    assert re.search(r"[1-9]\d* passed", result.stdout)
    for skipped in re.findall(r"^SKIPPED .*", result.stdout, re.MULTILINE):
        warnings.warn(skipped, stacklevel=1)
