"""Real database servers say how many connections they accept."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.capacity import database

pytestmark = pytest.mark.debian_packages("mariadb-server", "postgresql")
NOWHERE = Path("/nowhere")
START_SECONDS = 300


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account can reach, and whose path a socket's name can have."""
    path = Path(tempfile.mkdtemp(prefix="grove-database-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextlib.contextmanager
def running(account: str, folder: Path, install: list[str], command: list[str]) -> Iterator[None]:
    """Run a server as an account in a folder, which gets ``account``'s own folder ``own``."""
    own = folder / "own"
    own.mkdir()
    shutil.chown(own, account, account)
    become = ["runuser", "-u", account, "--"]
    subprocess.run([*become, *install], check=True, capture_output=True, cwd=own)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*become, *command], stdout=log, stderr=log, cwd=own)
    try:
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def answer(ask: Callable[[], dict[str, Any] | None]) -> dict[str, Any]:
    """Return the first answer without a problem that counts this connection alone, not one of an earlier attempt."""
    end = time.monotonic() + START_SECONDS
    while True:
        found = ask()
        if found is not None and found["problem"] is None and found["now"] == 1:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.2)


def test_mariadb_says_what_it_accepts(folder: Path) -> None:
    own = folder / "own"
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={own}/data", f"--tmpdir={own}", "--skip-test-db"]
    install += ["--auth-root-authentication-method=normal"]
    command = ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={own}/data", f"--socket={own}/socket"]
    command += ["--skip-networking", f"--tmpdir={own}", f"--pid-file={own}/pid", "--max-connections=77"]
    with running("mysql", folder, install, command):
        found = answer(lambda: database.server(own / "socket", NOWHERE))
    assert (found["kind"], found["most"], found["now"]) == ("MariaDB", 77, 1)
    assert found["peak"] >= 1


def test_postgresql_says_what_it_accepts(folder: Path) -> None:
    own = folder / "own"
    [programs] = {path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")}
    install = [f"{programs}/initdb", "-D", f"{own}/data", "-A", "peer", "-E", "UTF8", "--locale=C", "-N"]
    command = [f"{programs}/postgres", "-D", f"{own}/data", "-k", str(own), "-h", "", "-c", "fsync=off"]
    with running("postgres", folder, install, [*command, "-c", "max_connections=66"]):
        found = answer(lambda: database.server(NOWHERE, own))
    # Three of them are for the administrator.
    assert (found["kind"], found["port"], found["most"], found["now"]) == ("PostgreSQL", 5432, 63, 1)
    assert found["peak"] is None


def test_a_host_without_a_server_and_one_that_does_not_answer(folder: Path) -> None:
    assert database.server(NOWHERE, NOWHERE) is None
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
    found = database.server(folder / "socket", NOWHERE)
    assert found is not None
    assert (found["most"], found["kind"]) == (None, "MariaDB")
    assert "socket" in found["problem"]
