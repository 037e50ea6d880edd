"""Starting, reloading and restarting Apache, with systemd where it is PID 1 and with apachectl elsewhere."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils import httpd_tree, processes


class ControlError(Exception):
    """Apache could not be brought to the wanted state; the message holds what it printed."""


def has_systemd() -> bool:
    """Return whether systemd runs this host."""
    return os.path.isdir("/run/systemd/system")


def parent_pid(layout: httpd_tree.Layout) -> int | None:
    """Return the process id of the running parent; None when Apache does not run."""
    try:
        pid = int(Path(layout.pid_file).read_text().strip())
    except (OSError, ValueError):
        return None
    name = os.path.basename(layout.binary)
    return pid if processes.program(pid) == name else None


def check(layout: httpd_tree.Layout) -> None:
    """Let Apache read the configuration that stands in its tree.

    Raises ControlError with its message when it refuses.
    """
    done = httpd_tree.ask_apache(layout)
    if done.returncode:
        raise ControlError(f"Apache refuses its configuration, and was left running as it was: {done.stderr.strip()}")


def start(layout: httpd_tree.Layout) -> int:
    """Start Apache and return its parent's process id."""
    check(layout)
    _run(layout, "start")
    return _wait_for_parent(layout)


def reload(layout: httpd_tree.Layout) -> int:
    """Let Apache read its configuration again (a graceful restart) and return its parent's process id."""
    check(layout)
    _run(layout, "graceful")
    return _wait_for_parent(layout)


def restart(layout: httpd_tree.Layout) -> int:
    """Stop Apache, wait until its parent is gone, start it, and return the new parent's process id."""
    check(layout)
    parent = parent_pid(layout)
    _run(layout, "stop")
    deadline = time.monotonic() + 120
    while parent and processes.program(parent) == os.path.basename(layout.binary):
        if time.monotonic() > deadline:
            raise ControlError(f"Apache (process {parent}) did not stop within 120 s")
        time.sleep(0.05)
    _run(layout, "start")
    return _wait_for_parent(layout)


def enable_at_boot(layout: httpd_tree.Layout, *, dry: bool) -> bool:
    """Enable the service at boot and return whether that was a change; without systemd the package has done it."""
    if not has_systemd():
        return False
    done = subprocess.run(["systemctl", "is-enabled", layout.service], capture_output=True, text=True, check=False)
    if done.stdout.strip() == "enabled":
        return False
    if not dry:
        _command(["systemctl", "enable", layout.service])
    return True


def _run(layout: httpd_tree.Layout, action: str) -> None:
    if has_systemd():
        _command(["systemctl", {"graceful": "reload"}.get(action, action), layout.service])
    else:
        _command([layout.control, action])


def _command(command: list[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise ControlError(f"{' '.join(command)} failed ({done.returncode}): {done.stdout.strip()}")


def _wait_for_parent(layout: httpd_tree.Layout, seconds: float = 30) -> int:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pid = parent_pid(layout)
        if pid is not None:
            return pid
        time.sleep(0.05)
    raise ControlError(f"Apache did not come up within {seconds:.0f} s: no process of {layout.pid_file}")
