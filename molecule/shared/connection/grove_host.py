"""The connection to a test host: commands enter the host's namespaces, without a call of podman."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

sys.path.insert(0, str(Path(__file__).parents[1]))
import machine

DOCUMENTATION = """
name: grove_host
short_description: Run tasks on a test host
description: [Runs commands and copies files as root on a test host of this machine.]
author: Grove
options:
  remote_addr:
    description: The name of the host.
    default: inventory_hostname
    vars: [{name: inventory_hostname}, {name: ansible_host}]
"""


class Connection(ConnectionBase):
    """Runs each command in the namespaces of the test host."""

    transport = "grove_host"
    has_pipelining = True

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run the shell command with in_data as its standard input; return exit status, output and errors."""
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._run(shlex.split(cmd), in_data)

    def put_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the controller to the host."""
        super().put_file(in_path, out_path)
        status, _, errors = self._run(["dd", f"of={out_path}", "status=none"], Path(in_path).read_bytes())
        if status:
            raise AnsibleConnectionFailure(f"{out_path}: {errors.decode()}")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """Copy a file of the host to the controller."""
        super().fetch_file(in_path, out_path)
        status, content, errors = self._run(["cat", "--", in_path])
        if status:
            raise AnsibleConnectionFailure(f"{in_path}: {errors.decode()}")
        Path(out_path).write_bytes(content)

    def close(self) -> None:
        """End the connection, of which nothing is left between two commands."""
        self._connected = False

    def _run(self, command: list[str], in_data: bytes | None = None) -> tuple[int, bytes, bytes]:
        name = str(self.get_option("remote_addr"))
        try:
            entered = machine.enter(name)
        except machine.HostError as error:
            raise AnsibleConnectionFailure(str(error)) from None
        # A session of its own: a signal to the controller's job reaches no process of the host, as with SSH.
        completed = subprocess.run(
            [*entered, *command], input=in_data or b"", capture_output=True, check=False, start_new_session=True
        )
        return completed.returncode, completed.stdout, completed.stderr
