"""A MariaDB server that counts the rows of a copy of a data folder. It has no address, and asks for no password."""

from __future__ import annotations

import contextlib
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.database import client, limits
from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import OWN_FOLDERS, PROGRAM
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits as host_limits

ACCOUNT = "mysql"
OPTIONS_FILE = "backup-my.cnf"
"""In which mariadb-backup leaves the options that the files of a copy need."""
NOT_TABLES = "'VIEW', 'SEQUENCE', 'SYSTEM VIEW'"

Counts = dict[str, dict[str, int]]
"""The number of rows by database and table."""


class ScratchError(OperatorError):
    """The copy cannot be read by a server."""


@dataclass(frozen=True)
class Scratch:
    """A server of a copy. ``work``: a folder of the account for its socket and its log."""

    data: Path
    work: Path

    @property
    def socket(self) -> str:
        """The socket on which the server answers."""
        return str(self.work / "socket")

    def count(self) -> Counts:
        """Start the server, count the rows of all tables that are not the server's own, and end it in order.

        Afterwards, the copy is a data folder of a server that was stopped. Raises ScratchError and ClientError.
        """
        with self._running():
            return count_rows(self.socket)

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        log = self.work / "log"
        command = [*as_account("--pdeathsig", "KILL"), *self._command()]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            self._wait(process, log)
            yield
            process.terminate()
            if process.wait(host_limits.STOP_SECONDS):
                raise ScratchError(f"the server that reads the copy ends with status {process.returncode}{_end(log)}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _command(self) -> list[str]:
        options = self.data / OPTIONS_FILE
        return [
            PROGRAM,
            f"--defaults-file={options}" if options.exists() else "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self.socket}",
            f"--pid-file={self.work / 'pid'}",
            f"--tmpdir={self.work}",
            f"--innodb-buffer-pool-size={limits.SCRATCH_POOL}",
            *("--skip-networking", "--skip-grant-tables", "--skip-log-bin", "--skip-slave-start", "--wsrep-on=OFF"),
        ]

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + limits.SCRATCH_SECONDS
        while client.answer("SELECT 1", self.socket) is None:
            if process.poll() is not None:
                raise ScratchError(f"no server can read the copy: it ends with status {process.returncode}{_end(log)}")
            if time.monotonic() > deadline:
                raise ScratchError(f"the server of the copy does not answer within {limits.SCRATCH_SECONDS:.0f} s")
            time.sleep(host_limits.POLL_SECONDS / 5)


def count_rows(socket: str) -> Counts:
    """Return the rows of all tables of the server at ``socket`` that are not its own. Raises ClientError."""
    own = ", ".join(f"'{name}'" for name in (*sorted(OWN_FOLDERS), "information_schema"))
    names = client.rows(f"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ({own})", socket)
    counts: Counts = {name: {} for (name,) in names}
    tables = client.rows(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
        f" WHERE TABLE_TYPE NOT IN ({NOT_TABLES}) AND TABLE_SCHEMA NOT IN ({own})",
        socket,
    )
    if tables:
        # One call for all tables: the client prints one line for each.
        sql = ";\n".join(f"SELECT COUNT(*) FROM {_quoted(database)}.{_quoted(table)}" for database, table in tables)
        numbers = client.rows(sql, socket, seconds=limits.COPY_SECONDS)
        for (database, table), (number,) in zip(tables, numbers, strict=True):
            counts[database][table] = int(number)
    return counts


def as_account(*options: str) -> list[str]:
    """Return the beginning of a command that the server's account runs, at the lowest priority."""
    ids = ["--reuid", ACCOUNT, "--regid", ACCOUNT, "--init-groups"]
    return [*_low_priority(), "setpriv", *ids, *options, "--"]


def give(path: Path) -> None:
    """Give a folder and all that is in it to the server's account, and to nobody else."""
    owner = pwd.getpwnam(ACCOUNT)
    for one in (path, *path.rglob("*")):
        shutil.chown(one, owner.pw_uid, owner.pw_gid)
    path.chmod(0o700)


def _low_priority() -> list[str]:
    ionice = ["ionice", "-c", "3"] if shutil.which("ionice") else []
    return ["nice", "-n", "19", *ionice]


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _end(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()[-host_limits.LOG_LINES :]
    return ". The end of its log:\n" + "\n".join(lines)
