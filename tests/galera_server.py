"""A MariaDB server with Galera that a test starts, as Debian's unit does with its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
from ansible_collections.grove.wsgi.plugins.module_utils.database import galera
from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import GaleraError, Member

SECONDS = 600.0
"""Until a server has joined: generous, for a busy machine."""
PATIENCE = "pc.wait_prim_timeout=PT5M"
"""A server that joins waits until the others have agreed that the former one with its name is gone."""
OPTIONS = """[mysqld]
datadir = {folder}/data
socket = {folder}/socket
pid-file = {folder}/pid
tmpdir = {folder}
skip-networking = OFF
bind-address = {address}
port = 3306
innodb_buffer_pool_size = 16M
innodb_log_file_size = 16M
innodb_flush_log_at_trx_commit = 1
binlog_format = ROW
innodb_autoinc_lock_mode = 2
wsrep_on = ON
wsrep_provider = /usr/lib/galera/libgalera_smm.so
wsrep_cluster_name = grove-test
wsrep_cluster_address = gcomm://{addresses}
wsrep_node_name = {name}
wsrep_node_address = {address}
wsrep_sst_receive_address = {address}
wsrep_sst_method = mariabackup
wsrep_sst_auth = "mysql:"
wsrep_provider_options = "gmcast.listen_addr=tcp://{address}:4567;gcache.size=16M;{patience}"
"""


@dataclass
class Process:
    """A server that the test starts with an options file, as Debian's unit does with its own."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    barred: bool = False

    @property
    def options(self) -> Path:
        return self.folder / "my.cnf"

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def settle(self) -> None:
        """Do nothing: a start has ended when it returns."""

    def started(self) -> float:
        return self.since

    def start(self, *, first: bool, seconds: float) -> None:
        self.barred = False
        words = ["--wsrep-new-cluster"] if first else []
        # The unit asks for the position before each start, too.
        text = self.recover()
        if found := list(galera.RECOVERED.finditer(text)):
            words.append(f"--wsrep_start_position={found[-1]['uuid']}:{found[-1]['seqno']}")
        self.since = time.time()
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [galera.PROGRAM, f"--defaults-file={self.options}", "--user=mysql", *words],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while not self.member().status().ready:
            if not self.runs() or time.monotonic() > deadline:
                self.kill()
                raise GaleraError(f"{self.name} does not start: {self.log()[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(SECONDS)

    def is_barred(self) -> bool:
        return self.barred

    def bar(self) -> None:
        self.barred = True

    def recover(self) -> str:
        command = [galera.PROGRAM, f"--defaults-file={self.options}", "--user=mysql", "--wsrep-recover"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=True)
        return done.stderr

    def kill(self) -> None:
        """Kill the server and its children, as a machine that loses power does."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(SECONDS)

    def member(self) -> Member:
        return Member(self, self.folder / "data", str(self.folder / "socket"))

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def query(self, text: str) -> Any:
        with pymysql.connect(unix_socket=str(self.folder / "socket"), user="root", autocommit=True) as connection:
            cursor = connection.cursor()
            cursor.execute(text)
            return cursor.fetchall()
