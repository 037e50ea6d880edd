"""The control plane as its users see it: through the services' own clients, on the host."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from served import Host, wait_for


@dataclass(frozen=True)
class Cloud:
    """Root's way into the control plane; ``environment`` replaces what /etc/openstack/openrc says."""

    host: Host
    environment: dict[str, str]

    def try_run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a client's command line, which may use the shell's quotes."""
        exports = "".join(f"export {name}={value}; " for name, value in self.environment.items())
        return self.host.try_run("sh", "-c", f". /etc/openstack/openrc; {exports}exec {command}")

    def run(self, command: str) -> str:
        """Run a client's command line; return what it prints, fail with its errors."""
        done = self.try_run(command)
        assert done.returncode == 0, f"{command}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def show(self, command: str) -> Any:
        """Return what a client prints as JSON."""
        return json.loads(self.run(f"{command} -f json"))

    def wait(self, command: str, key: str, value: str, seconds: float = 60) -> None:
        """Ask until a column has a value; fail with what it had last."""
        seen = ""

        def reached() -> str:
            nonlocal seen
            seen = str(self.show(command)[key])
            return "yes" if seen == value else ""

        assert wait_for(reached, seconds), f"{command}: {key} is {seen}, not {value}"
