"""The services' own command-line clients, run on the host."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from served import Host, wait_for


@dataclass(frozen=True)
class Cloud:
    """The clients with the credentials in /etc/openstack/openrc, which ``environment`` replaces."""

    host: Host
    environment: dict[str, str]

    def try_run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a client's command line, which may use the shell's quotes."""
        exports = "".join(f"export {name}={value}; " for name, value in self.environment.items())
        return self.host.try_run("sh", "-c", f". /etc/openstack/openrc; {exports}exec {command}")

    def run(self, command: str) -> str:
        """Run a client's command line and return its output. Fails with its errors."""
        completed = self.try_run(command)
        output = f"{completed.stdout}\n{completed.stderr}"
        assert completed.returncode == 0, f"{command}: exit status {completed.returncode}\n{output}"
        return completed.stdout

    def show(self, command: str) -> Any:
        """Return the JSON that a client prints."""
        return json.loads(self.run(f"{command} -f json"))

    def wait(self, command: str, key: str, value: str, seconds: float = 300) -> None:
        """Wait until a column has a value. Fails with the last value."""
        last = ""

        def reached() -> str:
            nonlocal last
            last = str(self.show(command)[key])
            return "yes" if last == value else ""

        assert wait_for(reached, seconds), f"{command}: {key} is {last}, not {value}"
