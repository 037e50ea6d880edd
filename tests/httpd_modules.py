"""What real Apaches of tests need: modules, which are kept in .cache, and the Python of daemon processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.daemon_python import DaemonPython

REPOSITORY = Path(__file__).resolve().parents[1]
CACHE = REPOSITORY / ".cache" / "unit"
BIN = Path(sys.prefix) / "bin"
PYTHON = "/usr/bin/python3"


def run(*command: str | Path, cwd: Path | None = None, **variables: str) -> None:
    """Run a command with these variables in its environment; the test fails with its output."""
    completed = subprocess.run(
        command,
        cwd=cwd,
        # On a busy machine, three attempts of ten seconds each may all fail.
        env=os.environ | {"UV_HTTP_RETRIES": "8"} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if completed.returncode:
        pytest.fail(f"{' '.join(map(str, command))} failed: {completed.stdout.strip()}", pytrace=False)


def need(path: str, package: str) -> None:
    """Fail where a file of a Debian package is missing."""
    if not Path(path).exists():
        pytest.fail(f"{path} is missing: apt-get install {package}", pytrace=False)


def mod_wsgi_files() -> dict[str, Path]:
    """Return the real modules by version: Debian's from its package, the newest built from the role's lock."""
    need("/usr/sbin/apache2", "apache2")
    need("/usr/bin/apxs", "apache2-dev")
    package, build = CACHE / "libapache2-mod-wsgi-py3", CACHE / "mod_wsgi-6.1.1-2"
    module_files = {"4.9.4": package / "usr/lib/apache2/modules/mod_wsgi.so", "6.1.1": build / "mod_wsgi.so"}
    if not module_files["4.9.4"].exists():
        shutil.rmtree(package, ignore_errors=True)
        package.mkdir(parents=True)
        run("apt-get", "download", "libapache2-mod-wsgi-py3", cwd=package)
        run("dpkg", "-x", next(package.glob("*.deb")), package)
    if not module_files["6.1.1"].exists():
        shutil.rmtree(build, ignore_errors=True)
        lock = REPOSITORY / "roles/mod_wsgi/files/mod_wsgi-6.1.1.lock"
        run(BIN / "uv", "venv", "--quiet", "--python", PYTHON, build)
        sync = (BIN / "uv", "pip", "sync", "--quiet", "--config-settings", "addresses=numeric", "--require-hashes")
        header = f"-include {REPOSITORY}/httpd/numeric_addresses.h"
        run(*sync, "--python", build / "bin/python", lock, CPPFLAGS=header)
        module_files["6.1.1"].symlink_to(next(build.glob("lib/python3*/site-packages/mod_wsgi/server/mod_wsgi-*.so")))
    return module_files


def guard_file() -> Path:
    """Return the module for slow clients."""
    return own_module("mod_grove_guard")


def log_file() -> Path:
    """Return the module for access logs in JSON."""
    return own_module("mod_grove_log")


def metrics_file() -> Path:
    """Return the module that counts requests."""
    return own_module("mod_grove_metrics")


def wake_file() -> Path:
    """Return the module that lets Apache's parent see at once that a process has ended."""
    return own_module("mod_grove_wake")


def own_module(name: str) -> Path:
    """Return a module of Grove's, built as the role ``httpd`` does, with the compiler's warnings as errors."""
    need("/usr/bin/apxs", "apache2-dev")
    source = (REPOSITORY / f"httpd/{name}.c").read_bytes()
    folder = CACHE / f"{name}-{hashlib.sha256(source).hexdigest()[:12]}"
    module = folder / f".libs/{name}.so"
    if not module.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.c").write_bytes(source)
        run("apxs", "-c", "-Wc,-Wall", "-Wc,-Wextra", "-Wc,-Werror", f"{name}.c", cwd=folder)
    return module


def make_daemon_python(home: Path) -> DaemonPython:
    """Make the Python that daemon processes start with in the folder ``home``, as the role ``mod_wsgi`` does."""
    command = [PYTHON, "-c", "import platform, sys; print(platform.python_version(), sys.base_prefix)"]
    version, prefix = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    package = (REPOSITORY / "wsgi/grove_daemon/__init__.py").read_text()
    hook = yaml.safe_load((REPOSITORY / "roles/mod_wsgi/vars/main.yml").read_text())["__mod_wsgi_hook"]
    made = DaemonPython(home, PYTHON, version, prefix, {"grove_daemon/__init__.py": package, "grove_daemon.pth": hook})
    made.ensure(dry=False)
    return made
