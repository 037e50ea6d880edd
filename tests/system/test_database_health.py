"""The answer of a database host to the load balancers, with a real member of a Galera cluster, which is alone in it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from database_health import health_of, until_answer
from galera_server import OPTIONS, PATIENCE, SECONDS, Process

pytestmark = [
    pytest.mark.debian_packages("mariadb-server", "galera-4"),
    pytest.mark.skipif(os.geteuid() != 0, reason="servers with accounts of their own need root"),
]

ADDRESS, STRANGER = "127.0.34.1", "127.0.34.9"


@pytest.fixture
def node() -> Iterator[Process]:
    # The kernel limits the length of a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="grove-health-", dir="/var/tmp"))
    owner = pwd.getpwnam("mysql")
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    made = Process("db1", folder)
    values = {"name": "db1", "folder": folder, "address": ADDRESS, "addresses": ADDRESS}
    made.options.write_text(OPTIONS.format(patience=PATIENCE, **values))
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}", "--user=mysql"]
    options = ["--auth-root-authentication-method=socket", "--skip-test-db"]
    subprocess.run([*install, *options], check=True, capture_output=True)
    try:
        made.start(first=True, seconds=SECONDS)
        yield made
    finally:
        made.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_member_answers_whether_it_may_have_clients(node: Process) -> None:
    """A donor may have clients: mariadb-backup lets it serve on."""
    with health_of(node.folder, ADDRESS) as health:
        assert health.answer() == (200, "this host may have clients")
        for change, back, status, text in (
            ("read_only = 1", "read_only = 0", 503, "read_only is ON; it has to be OFF"),
            ("wsrep_desync = 1", "wsrep_desync = 0", 200, "may have clients"),
        ):
            node.query(f"SET GLOBAL {change}")
            until_answer(health, status, text)
            node.query(f"SET GLOBAL {back}")
            until_answer(health, 200, "may have clients")
        # The program keeps its connection when clients have all others.
        kept = node.query("SELECT @@GLOBAL.max_connections")[0][0]
        node.query("SET GLOBAL max_connections = 10")
        with contextlib.ExitStack() as stack:
            path = str(node.folder / "socket")
            with contextlib.suppress(pymysql.MySQLError):
                for _ in range(20):
                    stack.enter_context(pymysql.connect(unix_socket=path, user="root"))
            assert health.answer() == (200, "this host may have clients")
        node.query(f"SET GLOBAL max_connections = {kept}")
        # A stranger's connection is closed.
        stranger = socket.create_connection((health.address, health.port), SECONDS, (STRANGER, 0))
        with contextlib.suppress(OSError), stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert stranger.recv(100) == b""
        node.stop()
        until_answer(health, 503, "MariaDB does not answer")
        node.start(first=True, seconds=SECONDS)
        until_answer(health, 200, "may have clients")
