"""A server as a unit of systemd, and the commands that ask and change it."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits

RUNNING_SYSTEMD = Path("/run/systemd/system")


class UnitError(OperatorError):
    """A command of the host failed, or a unit does not start or stop."""


@dataclass(frozen=True)
class Unit:
    """A unit that runs a server. Raises UnitError on a host without systemd."""

    name: str

    def __post_init__(self) -> None:
        """Refuse a host without systemd."""
        if not RUNNING_SYSTEMD.is_dir():
            raise UnitError(
                "this host runs without systemd, which starts the server of a member; use another host, or a group of"
                " one host"
            )

    def runs(self) -> bool:
        """Return whether the unit runs, starts, stops, or waits for its next start."""
        return self._property("ActiveState") in ("active", "activating", "deactivating", "reloading")

    def settle(self) -> None:
        """Wait while the unit starts or stops, for ``limits.SETTLE_SECONDS`` at most."""
        deadline = time.monotonic() + limits.SETTLE_SECONDS
        while self._property("ActiveState") in ("activating", "deactivating") and time.monotonic() < deadline:
            time.sleep(limits.POLL_SECONDS)

    def started(self) -> float:
        """Return when the server's process was started, in seconds since 1970; 0 where none was."""
        stamp = self._property("ExecMainStartTimestampMonotonic")
        return time.time() - (time.monotonic() - int(stamp) / 1e6) if stamp.isdigit() and int(stamp) else 0.0

    def start(self, seconds: float, *command: str, wait: bool = True) -> None:
        """Start the unit, and let it start with the host. Raises UnitError with the end of its log.

        command: what starts it, by default ``systemctl start``. wait: without it, the unit still starts when this
        returns.
        """
        if self.is_barred():
            run("systemctl", "unmask", "--quiet", self.name)
        # After several failed starts, systemd refuses a further one.
        run("systemctl", "reset-failed", self.name)
        run("systemctl", "enable", "--quiet", self.name)
        command = command or ("systemctl", "start", *(() if wait else ("--no-block",)), self.name)
        done = run(*command, seconds=seconds)
        if done.returncode:
            # Otherwise the unit goes on trying, with data that may change meanwhile.
            run("systemctl", "stop", self.name, seconds=limits.STOP_SECONDS)
            raise UnitError(f"{' '.join(command)} failed: {done.stderr.strip()}. {self.log()}")

    def stop(self) -> None:
        """Stop the unit. Raises UnitError with the end of its log."""
        done = run("systemctl", "stop", self.name, seconds=limits.STOP_SECONDS)
        if done.returncode:
            raise UnitError(f"systemctl stop {self.name} failed: {done.stderr.strip()}. {self.log()}")

    def is_barred(self) -> bool:
        """Return whether nothing starts the unit (``systemctl mask``)."""
        return self._property("LoadState") == "masked"

    def bar(self) -> None:
        """Let nothing start the unit, which has been stopped: no boot, no package, and no person by mistake.

        ``start`` lets it start again. Raises UnitError.
        """
        # The links of a unit that is masked stay.
        run("systemctl", "disable", "--quiet", self.name)
        done = run("systemctl", "mask", "--quiet", self.name)
        if done.returncode:
            raise UnitError(f"systemctl mask {self.name} failed: {done.stderr.strip()}")

    def log(self) -> str:
        """Return the end of the unit's log as a sentence."""
        text = run(
            "journalctl", f"--unit={self.name}", "--no-pager", "--output=cat", f"--lines={limits.LOG_LINES}"
        ).stdout
        return f"The end of its log:\n{text.strip()}"

    def _property(self, name: str) -> str:
        return run("systemctl", "show", f"--property={name}", "--value", self.name).stdout.strip()


def run(*command: str, seconds: float = limits.COMMAND_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run a command and return its end, whatever its status is. Raises UnitError where it is not there, or too slow."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise UnitError(f"{command[0]} is not on this host; install its package") from None
    except subprocess.TimeoutExpired:
        raise UnitError(f"{' '.join(command)} did not end within {seconds:.0f} s") from None
