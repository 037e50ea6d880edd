"""The real modules of mod_wsgi, kept in .cache: Debian's from its package, the newest built from the role's lock."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MODULES_CACHE = REPOSITORY / ".cache" / "unit"
BIN = Path(sys.prefix, "bin")
PYTHON = "/usr/bin/python3"


def run(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a command; fail the test with its output."""
    completed = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if completed.returncode:
        pytest.fail(f"{' '.join(map(str, command))} failed: {completed.stdout.strip()}", pytrace=False)


def need(path: str, package: str) -> None:
    """Fail the test when a file of a Debian package is missing."""
    if not Path(path).exists():
        pytest.fail(f"{path} is missing: apt-get install {package}", pytrace=False)


def module_files() -> dict[str, Path]:
    """Return the paths of the modules by their versions."""
    need("/usr/sbin/apache2", "apache2")
    need("/usr/bin/apxs", "apache2-dev")
    package, build = MODULES_CACHE / "libapache2-mod-wsgi-py3", MODULES_CACHE / "mod_wsgi-6.1.1"
    files = {"4.9.4": package / "usr/lib/apache2/modules/mod_wsgi.so", "6.1.1": build / "mod_wsgi.so"}
    if not files["4.9.4"].exists():
        shutil.rmtree(package, ignore_errors=True)
        package.mkdir(parents=True)
        run("apt-get", "download", "libapache2-mod-wsgi-py3", cwd=package)
        run("dpkg", "-x", next(package.glob("*.deb")), package)
    if not files["6.1.1"].exists():
        shutil.rmtree(build, ignore_errors=True)
        lock = REPOSITORY / "roles/mod_wsgi/files/mod_wsgi-6.1.1.lock"
        run(BIN / "uv", "venv", "--quiet", "--python", PYTHON, build)
        run(BIN / "uv", "pip", "sync", "--quiet", "--python", build / "bin/python", "--require-hashes", lock)
        files["6.1.1"].symlink_to(next(build.glob("lib/python3*/site-packages/mod_wsgi/server/mod_wsgi-*.so")))
    return files
