"""The database connections of a host: those of its applications, and those that its own database server accepts."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.capacity import limits
from ansible_collections.grove.wsgi.plugins.module_utils.host.processes import PROC

PORTS = frozenset({3306, 5432})
"""The ports of MariaDB and PostgreSQL."""
ESTABLISHED = "01"
MARIADB_SOCKET = Path("/run/mysqld/mysqld.sock")
MARIADB = ["mariadb", "--batch", "--skip-column-names", "--user=root", "--execute"]
MARIADB_QUESTION = (
    "SELECT @@port, @@max_connections,"
    " (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'THREADS_CONNECTED'),"
    " (SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'MAX_USED_CONNECTIONS')"
)
POSTGRESQL_SOCKETS = Path("/run/postgresql")
POSTGRESQL = ["runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--tuples-only", "--no-align", "--command"]
POSTGRESQL_QUESTION = (
    "SELECT current_setting('port') || ' ' || (current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int) || ' '"
    " || (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
)


def connections(uids: frozenset[int], proc: Path = PROC) -> Counter[int]:
    """Return the number of TCP connections to a database's port of each account, by its number."""
    counted: Counter[int] = Counter()
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            port, user = int(fields[2].rpartition(":")[2], 16), int(fields[7])
            if fields[3] == ESTABLISHED and port in PORTS and user in uids:
                counted[user] += 1
    return counted


def server(mariadb: Path = MARIADB_SOCKET, postgresql: Path = POSTGRESQL_SOCKETS) -> dict[str, Any] | None:
    """Return what the database server of this host accepts; None where there is none that runs.

    ``most`` is the number of connections that it accepts, ``now`` that of the open ones, and ``peak`` the highest
    number since its start, None where the server does not count. ``problem`` says why they could not be read.
    """
    if mariadb.is_socket() and shutil.which("mariadb"):
        return _answer("MariaDB", [*MARIADB, MARIADB_QUESTION, f"--socket={mariadb}"])
    for socket in sorted(postgresql.glob(".s.PGSQL.*")):
        if socket.is_socket() and shutil.which("psql"):
            place = [f"--host={postgresql}", f"--port={socket.suffix[1:]}"]
            return _answer("PostgreSQL", [*POSTGRESQL, POSTGRESQL_QUESTION, *place])
    return None


def _answer(kind: str, command: list[str]) -> dict[str, Any]:
    unknown = {"kind": kind, "port": None, "most": None, "now": None, "peak": None}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=limits.COMMAND_SECONDS, cwd="/"
        )
    except subprocess.TimeoutExpired:
        return {**unknown, "problem": f"it gave no answer in {limits.COMMAND_SECONDS:.0f} s"}
    numbers = [int(word) for word in done.stdout.split() if word.isdigit()]
    if done.returncode or len(numbers) < 3:
        return {**unknown, "problem": (done.stderr.strip().splitlines() or ["it gave no numbers"])[-1]}
    peak = numbers[3] if len(numbers) > 3 else None
    return {"kind": kind, "port": numbers[0], "most": numbers[1], "now": numbers[2], "peak": peak, "problem": None}
