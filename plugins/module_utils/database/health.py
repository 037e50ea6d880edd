"""The answer of a database host to the load balancers: its account, its unit, and what it answers.

The program is ``roles/database/files/database_health.py``.
"""

from __future__ import annotations

import http.client
import pwd
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.database import limits
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits as host_limits
from ansible_collections.grove.wsgi.plugins.module_utils.host.unit import Unit, run

UNIT = "grove-database-health"
WELL = 200
SHELL = "--shell=/usr/sbin/nologin"


class HealthError(OperatorError):
    """A database host does not answer the load balancers."""


@dataclass(frozen=True)
class Health:
    """The unit on this host. account: of the host and of MariaDB. socket: MariaDB's."""

    account: str
    address: str
    port: int
    socket: str

    def present(self, files: Iterable[Path], seconds: float, *, dry: bool) -> dict[str, Any]:
        """Let the unit run with its files, and wait until it answers; return what changed.

        Raises HealthError with the answer if it is not good after ``seconds``.
        """
        changes = []
        if not self._has_account():
            changes.append(f"account {self.account}")
            if not dry:
                _must("useradd", "--system", "--no-create-home", "--home-dir=/nonexistent", SHELL, self.account)
        if not self._has_login(dry=dry):
            changes.append("account of MariaDB")
            if not dry:
                self._execute(f"CREATE OR REPLACE USER '{self.account}'@'localhost' IDENTIFIED VIA unix_socket")
        unit = Unit(UNIT)
        started = unit.started() if unit.runs() else 0.0
        if not started or any(not path.exists() or path.stat().st_mtime > started for path in files):
            changes.append("restart" if started else "start")
            if not dry:
                _must("systemctl", "enable", "--quiet", UNIT)
                _must("systemctl", "restart", UNIT)
        if not dry:
            self._wait(seconds)
        return {"changed": bool(changes), "changes": changes}

    def absent(self, files: Iterable[Path], *, dry: bool) -> dict[str, Any]:
        """Stop the unit, and remove its files and its login; return what changed."""
        present = [path for path in files if path.exists()]
        if present and not dry:
            _must("systemctl", "disable", "--now", "--quiet", UNIT)
            for path in present:
                path.unlink()
            _must("systemctl", "daemon-reload")
            self._execute(f"DROP USER IF EXISTS '{self.account}'@'localhost'")
        return {"changed": bool(present), "changes": [str(path) for path in present]}

    def answer(self) -> tuple[int, str]:
        """Return the status and the text of an answer; 0 and the reason where there is none."""
        connection = http.client.HTTPConnection(self.address, self.port, timeout=limits.ANSWER_SECONDS)
        try:
            connection.request("GET", "/")
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace").strip()
        except (OSError, http.client.HTTPException) as error:
            return 0, str(error) or type(error).__name__
        finally:
            connection.close()

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (found := self.answer())[0] != WELL:
            if time.monotonic() > deadline:
                raise HealthError(
                    f"{self.address}, port {self.port}, answers the load balancers"
                    f" {found[0] or 'nothing'} ({found[1]}) after {seconds:.0f} s, so that this host would get no"
                    f" clients; journalctl -u {UNIT} and journalctl -u mariadb say why"
                )
            time.sleep(host_limits.POLL_SECONDS)

    def _has_account(self) -> bool:
        try:
            pwd.getpwnam(self.account)
        except KeyError:
            return False
        return True

    def _has_login(self, *, dry: bool) -> bool:
        wanted = f"User = '{self.account}' AND Host = 'localhost' AND plugin = 'unix_socket'"
        try:
            return self._execute(f"SELECT COUNT(*) FROM mysql.user WHERE {wanted}").strip() == "1"
        except HealthError:
            # In check mode, a server that is to become a member may not run yet.
            if not dry:
                raise
            return False

    def _execute(self, statement: str) -> str:
        options = ("--no-defaults", "--user=root", f"--socket={self.socket}", "--batch", "--skip-column-names")
        return _must("mariadb", *options, "--execute", statement)


def _must(*command: str) -> str:
    done = run(*command)
    if done.returncode:
        raise HealthError(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done.stdout
