"""A HAProxy of this host: checked, started, reloaded, and asked which configuration it runs with.

A load balancer has two: one for the apps, and one for the database, whose connections live for hours and would keep
processes from before a reload alive.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import limits
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer.runtime import (
    MASTER,
    READY,
    WORKER,
    Haproxy,
    RuntimeSocketError,
)

PROGRAM = "/usr/sbin/haproxy"
FOLDER = Path("/etc/haproxy")


class ConfigurationError(OperatorError):
    """HAProxy does not accept a configuration, or does not run with it."""


@dataclass(frozen=True)
class Process:
    """A unit of systemd with its configuration and its runtime sockets."""

    unit: str
    configuration: Path
    worker: Path
    master: Path

    @property
    def haproxy(self) -> Haproxy:
        """The running HAProxy."""
        return Haproxy(self.worker, self.master)

    def check(
        self, text: str, refusal: str = "HAProxy refuses its new configuration, and runs on with the former one"
    ) -> None:
        """Let HAProxy check a configuration. Raises ConfigurationError with what it says."""
        with tempfile.NamedTemporaryFile("w", dir=self.configuration.parent, prefix=".grove-", suffix=".cfg") as file:
            file.write(text)
            file.flush()
            done = run(PROGRAM, "-c", "-q", "-f", file.name)
            if done.returncode:
                raise ConfigurationError(f"{refusal}: {done.stderr.strip()}")

    def load(self, digest: str) -> None:
        """Start HAProxy or let it read its configuration, and wait until it serves with it. Raises ConfigurationError.

        digest: what HAProxy says of itself then.
        """
        if failure := self.start_or_reload(lambda: self.runs_with(digest)):
            raise ConfigurationError(f"HAProxy accepts its new configuration, and does not run with it; {failure}")

    def runs_with(self, digest: str) -> bool:
        """Return whether HAProxy serves with the configuration that has this hash."""
        try:
            return digest in self.haproxy.info().get("description", "")
        except RuntimeSocketError:
            return False

    def serving(self) -> int:
        """Return the id of the process that serves. Raises RuntimeSocketError."""
        return int(self.haproxy.info()["Pid"])

    def first(self) -> int:
        """Return the id of the process that starts the others; 0 if none runs."""
        return int(run("systemctl", "show", "--property=MainPID", "--value", self.unit).stdout.strip() or 0)

    def start_or_reload(self, done: Callable[[], bool]) -> str:
        """Start HAProxy or let it read its configuration, and wait for ``done``; return why not, or an empty text.

        done: whether HAProxy serves as it is to. It may raise RuntimeSocketError, which means no. Servers that were
        taken out of the traffic stay out.
        """

        def is_done() -> bool:
            try:
                return done()
            except RuntimeSocketError:
                return False

        active = run("systemctl", "is-active", "--quiet", self.unit).returncode == 0
        out, failed = [], 0
        if active:
            with contextlib.suppress(RuntimeSocketError):
                out, failed = (
                    [server for server in self.haproxy.servers() if server.state != READY],
                    self.haproxy.failed_reloads(),
                )
        else:
            # After several failed starts, systemd refuses a further one.
            run("systemctl", "reset-failed", self.unit)
        asked = run("systemctl", "reload" if active else "start", self.unit)
        deadline = time.monotonic() + limits.WORKER_SECONDS
        while asked.returncode == 0 and not is_done():
            if time.monotonic() > deadline or self._has_failed(failed):
                break
            time.sleep(limits.POLL_SECONDS)
        if not is_done():
            serves = "the former process serves on" if active else "no process serves"
            return f"{serves}. The end of its log:\n{self._log()}"
        for server in out:
            # The new configuration may no longer have the server.
            with contextlib.suppress(RuntimeSocketError):
                self.haproxy.set_state(server.backend, server.name, server.state)
        return ""

    def _has_failed(self, before: int) -> bool:
        """Return whether HAProxy has ended, or has kept its former configuration more often than ``before``."""
        if run("systemctl", "is-active", "--quiet", self.unit).returncode:
            return True
        try:
            return self.haproxy.failed_reloads() > before
        except RuntimeSocketError:
            return False

    def _log(self) -> str:
        done = run("journalctl", f"--unit={self.unit}", "--no-pager", "--output=cat", f"--lines={limits.LOG_LINES}")
        return done.stdout.strip()


APPS = Process("haproxy", FOLDER / "haproxy.cfg", WORKER, MASTER)
"""The HAProxy of the apps, which is the unit of Debian's package."""
DATABASE = Process(
    "grove-database-proxy",
    FOLDER / "grove-database.cfg",
    Path("/run/haproxy/database.sock"),
    Path("/run/haproxy/database-master.sock"),
)
"""The HAProxy of the database."""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command without input, for ``limits.COMMAND_SECONDS`` at most."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=limits.COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL
    )
