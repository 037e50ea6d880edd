"""What a MariaDB server answers on its socket, asked with the distribution's client."""

from __future__ import annotations

import shutil
import subprocess

from ansible_collections.grove.wsgi.plugins.module_utils.database import limits
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits as host_limits

PROGRAM = "mariadb"


class ClientError(OperatorError):
    """A server refuses a statement, or does not answer it in time."""


def answer(sql: str, socket: str, *, user: str = "root", seconds: float = host_limits.COMMAND_SECONDS) -> str | None:
    """Return the rows of the answer to ``sql``, the values of a row with tabs between them.

    None where the host has no client, and where the server does not answer or refuses. Raises ClientError where the
    answer takes more than ``seconds``.
    """
    done = _ask(sql, socket, user, seconds)
    return None if done is None or done.returncode else done.stdout


def rows(sql: str, socket: str, *, user: str = "root", seconds: float = host_limits.COMMAND_SECONDS) -> list[list[str]]:
    """Return the rows of the answer to ``sql`` as lists of values. Raises ClientError."""
    done = _ask(sql, socket, user, seconds)
    if done is None:
        raise ClientError(f"the program {PROGRAM} is not on this host; install the package mariadb-client")
    if done.returncode:
        raise ClientError(f"MariaDB refuses {sql[:200]}: {done.stderr.strip()}")
    return [line.split("\t") for line in done.stdout.splitlines()]


def _ask(sql: str, socket: str, user: str, seconds: float) -> subprocess.CompletedProcess[str] | None:
    client = shutil.which(PROGRAM)
    if client is None:
        return None
    options = [f"--user={user}", f"--socket={socket}", f"--connect-timeout={limits.ANSWER_SECONDS}"]
    try:
        return subprocess.run(
            [client, "--no-defaults", *options, "--batch", "--skip-column-names"],
            input=sql,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClientError(f"MariaDB does not answer {sql[:200]} within {seconds:.0f} s") from None
