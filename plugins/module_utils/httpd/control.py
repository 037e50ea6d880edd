"""Starting, reloading and restarting Apache, with systemd where it is PID 1 and with apachectl elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Collection
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import last_good as httpd_last_good
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import tree as httpd_tree


class ControlError(OperatorError):
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
    return _wait_until_serving(layout)


def reload(layout: httpd_tree.Layout) -> int:
    """Let Apache read its configuration again (a graceful restart) and return its parent's process id.

    A port whose address changes is given up by a reload of its own first: Apache binds new addresses before it closes
    the old ones, and stops altogether when the kernel refuses that.
    """
    check(layout)
    clashes = _clashing(layout)
    if clashes:
        ports = os.path.join(layout.root, _ports_path(layout))
        text = Path(ports).read_text()
        without = "\n".join(line for line in text.splitlines() if _listen(line) not in clashes) + "\n"
        httpd_tree.put(layout.root, _ports_path(layout), httpd_tree.Entry(content=without))
        try:
            _graceful(layout)
        finally:
            httpd_tree.put(layout.root, _ports_path(layout), httpd_tree.Entry(content=text))
    return _graceful(layout)


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
    return _wait_until_serving(layout)


def recover(layout: httpd_tree.Layout) -> str:
    """Start Apache with the configuration that it ran with last, where it has stopped; return what was done."""
    if parent_pid(layout) is not None or not httpd_last_good.put_back(layout.root):
        return ""
    _run(layout, "start")
    _wait_until_serving(layout)
    return (
        "; Apache had stopped, and was started again with the configuration that it had before"
        f" (the refused one is kept in {httpd_last_good.REFUSED})"
    )


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


def _graceful(layout: httpd_tree.Layout) -> int:
    parent = parent_pid(layout)
    before = _children(parent)
    _run(layout, "graceful")
    return _wait_until_serving(layout, before)


def _children(parent: int | None) -> set[tuple[int, int]]:
    """Return the children of Apache's parent, each with its start time."""
    if parent is None:
        return set()
    return {(pid, processes.start_time(pid)) for pid in processes.pids() if processes.parent_of(pid) == parent}


def _wait_until_serving(
    layout: httpd_tree.Layout, before: Collection[tuple[int, int]] = (), seconds: float = 30
) -> int:
    """Wait until the parent has started children that were not there ``before`` and holds every declared address.

    Raises ControlError with the end of the error log when that does not happen, at once when the parent has gone.
    """
    deadline = time.monotonic() + seconds
    appeared = False
    while time.monotonic() < deadline:
        parent = parent_pid(layout)
        if parent is None and appeared:
            break
        if parent is not None:
            appeared = True
            started = {child for child in _children(parent) if processes.owner(child[0]) != 0} - set(before)
            if started and not _declared(layout) - _held(layout):
                return parent
        time.sleep(0.05)
    raise ControlError(f"Apache did not come up with its configuration: {_end_of_log(layout)}")


def _end_of_log(layout: httpd_tree.Layout) -> str:
    try:
        lines = Path(layout.log_dir, "error.log").read_text(errors="replace").splitlines()
    except OSError:
        return "it has no error log"
    return " / ".join(lines[-4:])


def _ports_path(layout: httpd_tree.Layout) -> str:
    return layout.conf.format(layout.ports[1:]) if layout.ports.startswith("!") else layout.ports


def _listen(line: str) -> tuple[str, int] | None:
    """Return address and port of a Listen line; None for any other line."""
    found = re.match(r"\s*Listen\s+(?:(\S+):)?(\d+)(?:\s+\S+)?\s*$", line, re.IGNORECASE)
    return ((found.group(1) or "*").strip("[]"), int(found.group(2))) if found else None


def _declared(layout: httpd_tree.Layout) -> set[tuple[str, int]]:
    try:
        lines = Path(layout.root, _ports_path(layout)).read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {place for place in map(_listen, lines) if place is not None}


def _held(layout: httpd_tree.Layout) -> set[tuple[str, int]]:
    program = os.path.basename(layout.binary)
    return {(item.address, item.port) for item in processes.listeners() if item.program == program}


def _clashing(layout: httpd_tree.Layout) -> set[tuple[str, int]]:
    """Return the declared addresses that the kernel refuses as long as Apache holds others of the same port."""
    held, declared = _held(layout), _declared(layout)
    leaving = held - declared
    return {place for place in declared - held if any(port == place[1] for _, port in leaving)}
