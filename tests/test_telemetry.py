"""Runs the tests of the package wsgi/telemetry, which have a pytest configuration of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "wsgi" / "telemetry"
DATABASES = os.environ.get("TELEMETRY_TEST_DATABASES", "sqlite,postgresql,mariadb,mongodb")
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
@pytest.mark.timeout(3000)
def test_telemetry(installed: Path) -> None:
    paths = [str(installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
            cwd=PACKAGE,
            env=os.environ | {"TELEMETRY_TEST_DATABASES": databases, "PYTHONPATH": os.pathsep.join(paths)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for databases, arguments in divided(DATABASES)
    ]
    with ThreadPoolExecutor() as executor:
        outputs = list(executor.map(lambda process: process.communicate()[0], processes))
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-6000:]
        assert re.search(r"[1-9]\d* passed", output)
        for skipped in re.findall(r"^SKIPPED .*", output, re.MULTILINE):
            warnings.warn(skipped, stacklevel=1)


def divided(databases: str) -> list[tuple[str, list[str]]]:
    """Return the databases and pytest's arguments of each process.

    The server for MongoDB is written in Python and as slow as the others together, so its tests run beside theirs.
    """
    others = [name for name in databases.split(",") if name != "mongodb"]
    if not others or "mongodb" not in databases.split(","):
        return [(databases, [])]
    return [(",".join(others), []), ("mongodb", ["tests/functional", "-k", "mongodb"])]
