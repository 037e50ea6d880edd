"""The program that answers the load balancers whether a database host may have clients, in tests with real servers."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.database.health import Health
from galera_server import SECONDS
from ports import free_port

PROGRAM = Path(__file__).resolve().parents[1] / "roles/database/files/database_health.py"


@contextlib.contextmanager
def health_of(folder: Path, address: str) -> Iterator[Health]:
    """Run the program that answers the load balancers, on an address, for the server whose socket is in a folder."""
    port = free_port()
    health = Health("root", address, port, str(folder / "socket"))
    words = ["--listen", health.address, "--port", str(port), "--socket", health.socket, "--account", health.account]
    with (folder / "health.log").open("w") as log:
        command = [sys.executable, "-I", str(PROGRAM), *words, "--client", "127.0.0.1"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + SECONDS
        while not health.answer()[0]:
            assert time.monotonic() < deadline, (folder / "health.log").read_text()
            time.sleep(0.1)
        yield health
    finally:
        process.kill()
        process.wait()


def until_answer(health: Health, status: int, text: str) -> None:
    """Wait until a host answers the load balancers a status and a text."""
    deadline = time.monotonic() + SECONDS
    while (found := health.answer())[0] != status or text not in found[1]:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
