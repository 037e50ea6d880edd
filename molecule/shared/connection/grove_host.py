"""The podman connection with pipelining: one podman call a task instead of five."""

from __future__ import annotations

import shlex

from ansible.plugins.connection import ensure_connect
from ansible_collections.containers.podman.plugins.connection import podman

DOCUMENTATION = podman.DOCUMENTATION.replace("name: podman", "name: grove_host")


class Connection(podman.Connection):
    """Runs commands as containers.podman.podman does, with standard input, which pipelining needs."""

    transport = "grove_host"
    has_pipelining = True

    @ensure_connect
    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = False) -> tuple[int, bytes, bytes]:
        """Run the shell command with in_data as its standard input; return exit status, output and errors."""
        user = ["--user", self.user] if self.user else []
        result: tuple[int, bytes, bytes] = self._podman(["exec", "--interactive", *user], shlex.split(cmd), in_data)
        return result
