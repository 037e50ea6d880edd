"""HAProxy's runtime sockets: the state of each server, and what takes a server out of the traffic and puts it back.

The commands and columns are those of HAProxy's management guide, version 2.6.
"""

from __future__ import annotations

import csv
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import limits

WORKER = Path("/run/haproxy/admin.sock")
"""The socket of the process that serves; HAProxy's configuration names it."""
MASTER = Path("/run/haproxy-master.sock")
"""The socket of HAProxy's first process, which Debian's unit names."""
RUNNING = "2"
"""A server's operational state when all its health checks pass."""
FORCED_MAINTENANCE, FORCED_DRAIN = 0x01, 0x08
"""Bits of a server's administrative state."""
DRAIN, READY, MAINTENANCE = "drain", "ready", "maint"


class RuntimeSocketError(OperatorError):
    """HAProxy does not answer, or does not accept a command."""


@dataclass(frozen=True)
class Server:
    """A server of a backend. up: whether its checks pass. state: drain, maint or ready. sessions: at work on it.

    check: what the last check has yielded, in HAProxy's words. address: where it is.
    """

    backend: str
    name: str
    up: bool
    state: str
    sessions: int
    check: str = ""
    address: str = ""


class Haproxy:
    """The running HAProxy of this host."""

    def __init__(self, worker: Path = WORKER, master: Path = MASTER) -> None:
        """Ask at these sockets."""
        self.worker, self.master = worker, master

    def info(self) -> dict[str, str]:
        """Return what the process that serves says about itself. Raises RuntimeSocketError."""
        rows = (line.partition(":") for line in self._ask(self.worker, "show info").splitlines())
        return {name.strip(): value.strip() for name, _, value in rows if name.strip()}

    def has_old_workers(self) -> bool:
        """Return whether processes from before a reload still answer clients. Raises RuntimeSocketError."""
        _, _, after = self._processes().partition("# old workers")
        rows = after.partition("#")[0].splitlines()
        return any(row.strip() for row in rows)

    def failed_reloads(self) -> int:
        """Return how often HAProxy, since its start, could not run with a new configuration and kept the former one."""
        found = re.search(r"\[failed: (\d+)\]", self._processes())
        return int(found[1]) if found else 0

    def servers(self) -> list[Server]:
        """Return the servers of all backends. Raises RuntimeSocketError."""
        statistics = self._statistics()
        servers = []
        for line in self._ask(self.worker, "show servers state").splitlines()[1:]:
            if not line.strip() or line.startswith("#"):
                continue
            fields = line.split()
            backend, name, admin = fields[1], fields[3], int(fields[6])
            state = MAINTENANCE if admin & FORCED_MAINTENANCE else DRAIN if admin & FORCED_DRAIN else READY
            sessions, check = statistics.get((backend, name), (0, ""))
            servers.append(Server(backend, name, fields[5] == RUNNING, state, sessions, check, fields[4]))
        return servers

    def set_state(self, backend: str, server: str, state: str) -> None:
        """Set a server's administrative state. Raises RuntimeSocketError."""
        command = f"set server {backend}/{server} state {state}"
        # HAProxy prints nothing where it has done what was asked.
        if refusal := self._ask(self.worker, command).strip():
            raise RuntimeSocketError(f'HAProxy refuses "{command}": {refusal}')

    def _processes(self) -> str:
        """Return the first process's table. While it starts itself anew for a reload, it does not answer."""
        deadline = time.monotonic() + limits.ANSWER_SECONDS
        while True:
            try:
                return self._ask(self.master, "show proc")
            except RuntimeSocketError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(limits.POLL_SECONDS)

    def _statistics(self) -> dict[tuple[str, str], tuple[int, str]]:
        """Return of each server, by backend and server: how many sessions it has or will get, and its last check."""
        lines = (line for line in self._ask(self.worker, "show stat").lstrip("# ").splitlines() if line.strip())
        return {
            (row["pxname"], row["svname"]): (
                int(row["scur"] or 0) + int(row["qcur"] or 0),
                " ".join(filter(None, (row["check_desc"], row["last_chk"]))),
            )
            for row in csv.DictReader(lines)
        }

    @staticmethod
    def _ask(path: Path, command: str) -> str:
        pieces = []
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(limits.ANSWER_SECONDS)
                connection.connect(str(path))
                connection.sendall(f"{command}\n".encode())
                # The first process waits for further commands otherwise.
                connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(limits.ANSWER_BYTES):
                    pieces.append(piece)
        except OSError as error:
            raise RuntimeSocketError(
                f'HAProxy does not answer on {path} ({error.strerror or error}); "systemctl status haproxy" and'
                ' "journalctl -u haproxy" say why'
            ) from None
        return b"".join(pieces).decode(errors="replace")
