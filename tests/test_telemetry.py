"""The tests of the package wsgi/telemetry, which have a root of their own."""

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
"""What is named has to be installed: a database that is missing fails the test and does not shorten it."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package, whose storage drivers are found as entry points; return the folder."""
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
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=PACKAGE,
        env=os.environ | {"TELEMETRY_TEST_DATABASES": DATABASES, "PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"[1-9]\d* passed", done.stdout)
    for skipped in re.findall(r"^SKIPPED .*", done.stdout, re.MULTILINE):
        warnings.warn(skipped, stacklevel=1)
