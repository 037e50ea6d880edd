"""Starting, reloading and restarting Apache, with systemd where it is PID 1 and with apachectl elsewhere."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import (
    drop_in,
    last_good,
    limits,
    listening,
    parent,
    tree,
)
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout


class ControlError(OperatorError):
    """Apache could not be started, reloaded or restarted; the message holds what it printed."""


def has_systemd() -> bool:
    """Return whether systemd runs this host."""
    return os.path.isdir("/run/systemd/system")


def parent_pid(layout: Layout) -> int | None:
    """Return the process id of the running parent; None when Apache does not run."""
    return parent.find(Path(layout.pid_file), layout.program)


def check(layout: Layout) -> None:
    """Let Apache read the configuration that stands in its tree.

    Raises ControlError with its message when it refuses.
    """
    done = tree.ask_apache(layout)
    if done.returncode:
        raise ControlError(f"Apache refuses its configuration, and was left running as it was: {done.stderr.strip()}")


def start(layout: Layout) -> int:
    """Start Apache and return its parent's process id."""
    check(layout)
    _start(layout)
    return _wait_until_serving(layout)


def reload(layout: Layout) -> int:
    """Let Apache read its configuration again (a graceful restart) and return its parent's process id.

    If the address of a port changes, a first reload closes the port. Apache binds new addresses before it closes the
    old ones, and stops altogether when the kernel refuses that.
    """
    check(layout)
    if drop_in.hands_over(layout):
        return _hand_over(layout)
    clashes = listening.clashing(_lines(layout.root, layout), _held(layout), _lines(last_good.KEPT, layout))
    if clashes:
        text = Path(layout.root, layout.listen_path).read_text()
        without = "\n".join(line for line in text.splitlines() if line not in clashes) + "\n"
        tree.put(layout.root, layout.listen_path, tree.Entry(content=without))
        try:
            _graceful(layout)
            _wait_until_closed(layout, clashes)
        finally:
            tree.put(layout.root, layout.listen_path, tree.Entry(content=text))
    return _graceful(layout)


def restart(layout: Layout) -> int:
    """Stop Apache, wait until its parent is gone, start it, and return the new parent's process id."""
    check(layout)
    _stop(layout)
    _start(layout)
    return _wait_until_serving(layout)


def stop(layout: Layout, *, dry: bool) -> bool:
    """Stop Apache, and let it not start at boot; return whether that was a change."""
    running, enabled = parent_pid(layout) is not None, _is_enabled(layout)
    if running and not dry:
        _stop(layout)
    if enabled and not dry:
        _command(["systemctl", "disable", "--quiet", layout.service])
    return running or enabled


def _stop(layout: Layout) -> None:
    """Stop Apache, and wait until its parent is gone."""
    old = parent_pid(layout)
    started = processes.start_time(old) if old else 0
    with _may_be_stopped(layout):
        _run(layout, "stop")
    deadline = time.monotonic() + limits.STOP_SECONDS
    while old and processes.start_time(old) == started:
        if time.monotonic() > deadline:
            raise ControlError(f"Apache (process {old}) did not stop within {limits.STOP_SECONDS:.0f} s")
        time.sleep(limits.POLL_SECONDS)


def recover(layout: Layout) -> str:
    """Start Apache with the configuration that it ran with last, if it has stopped.

    Returns a sentence about that for the operator; empty when there was nothing to do.
    """
    if parent_pid(layout) is not None or not last_good.put_back(layout):
        return ""
    _start(layout)
    _wait_until_serving(layout)
    return (
        "; Apache had stopped, and was started again with the configuration that it had before"
        f" (the refused one is kept in {last_good.REFUSED})"
    )


def read_units() -> None:
    """Let systemd read its units again, if it runs this host. This restarts nothing."""
    if has_systemd():
        _command(["systemctl", "daemon-reload"])


def _is_enabled(layout: Layout) -> bool:
    """Return whether systemd starts Apache at boot."""
    if not has_systemd():
        return False
    done = subprocess.run(["systemctl", "is-enabled", layout.service], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "enabled"


def enable_at_boot(layout: Layout, *, dry: bool) -> bool:
    """Enable the service at boot; return whether that was a change. Without systemd the package has done it."""
    if not has_systemd() or _is_enabled(layout):
        return False
    if not dry:
        _command(["systemctl", "enable", layout.service])
    return True


def _start(layout: Layout) -> None:
    """Start Apache with its tree as it is now."""
    if drop_in.hands_over(layout):
        _command([drop_in.PROGRAM, "renew"])
    elif os.path.islink(layout.pid_file):
        # A former generation's: Apache would write its process id where the link leads to.
        os.unlink(layout.pid_file)
    _run(layout, "start")


def _hand_over(layout: Layout) -> int:
    """Let a new generation of Apache take over, and return its parent's process id."""
    drop_in.REFUSAL.unlink(missing_ok=True)
    # The new generation gets the limits and the sandbox that the unit has now.
    read_units()
    try:
        _run(layout, "graceful")
    except ControlError as error:
        try:
            reason = drop_in.REFUSAL.read_text().strip()
        except OSError:
            reason = str(error)
        raise ControlError(
            f"the new generation of Apache was refused, and the former one serves on: {reason}"
        ) from error
    return _wait_until_serving(layout)


@contextlib.contextmanager
def _may_be_stopped(layout: Layout) -> Iterator[None]:
    """Let systemd stop Apache. The unit of generations refuses that, so that no upgrade of a package restarts it."""
    if not has_systemd():
        yield
        return
    command = ["systemctl", "show", "--property=RefuseManualStop", "--value", layout.service]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    if shown.stdout.strip() != "yes":
        yield
        return
    permission = drop_in.stop_permission(layout.service)
    permission.parent.mkdir(parents=True, exist_ok=True)
    permission.write_text("[Unit]\nRefuseManualStop=no\n")
    try:
        _command(["systemctl", "daemon-reload"])
        yield
    finally:
        permission.unlink()


def _run(layout: Layout, action: str) -> None:
    if has_systemd():
        if action == "start":
            # The drop-in may have changed, in this run or in one that was killed.
            read_units()
        _command(["systemctl", {"graceful": "reload"}.get(action, action), layout.service])
    else:
        _command([layout.control, action])


def _command(command: list[str]) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise ControlError(f"{' '.join(command)} failed ({done.returncode}): {done.stdout.strip()}")


def _graceful(layout: Layout) -> int:
    before = _children(parent_pid(layout))
    _run(layout, "graceful")
    return _wait_until_serving(layout, before)


def _wait_until_closed(layout: Layout, lines: Collection[str]) -> None:
    """Wait until the former processes, which end after their last requests, have closed what these lines bind anew."""
    ports = {place[1] for line in lines if (place := listening.listen_place(line))}
    deadline = time.monotonic() + limits.SERVING_SECONDS
    while time.monotonic() < deadline:
        declared = _declared(layout)
        held = [place for place in _held(layout) if place[1] in ports]
        if all(any(listening.is_held(each, [place]) for each in declared) for place in held):
            return
        time.sleep(limits.POLL_SECONDS)


def _children(pid: int | None) -> set[tuple[int, int]]:
    """Return the children of Apache's parent, each with its start time."""
    return {(child, processes.start_time(child)) for child in processes.children(pid)} if pid else set()


def _wait_until_serving(layout: Layout, before: Collection[tuple[int, int]] = ()) -> int:
    """Wait until the parent has started children that were not there ``before`` and holds every declared address.

    Raises ControlError with the end of the error log when that does not happen, at once when the parent has gone.
    """
    deadline = time.monotonic() + limits.SERVING_SECONDS
    appeared = False
    while time.monotonic() < deadline:
        pid = parent_pid(layout)
        if pid is None and appeared:
            break
        if pid is not None:
            appeared = True
            started = {child for child in _children(pid) if processes.owner(child[0]) != 0} - set(before)
            if started:
                held = _held(layout)
                if all(listening.is_held(place, held) for place in _declared(layout)):
                    return pid
        time.sleep(limits.POLL_SECONDS)
    raise ControlError(f"Apache did not come up with its configuration: {_end_of_log(layout)}")


def _end_of_log(layout: Layout) -> str:
    try:
        lines = Path(layout.log_dir, "error.log").read_text(errors="replace").splitlines()
    except OSError:
        return "it has no error log"
    return " / ".join(lines[-limits.LOG_LINES :])


def _lines(root: str | Path, layout: Layout) -> list[str]:
    """Return the lines of the file of Listen lines in a tree; none where there is no such file."""
    try:
        return Path(root, layout.listen_path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def _declared(layout: Layout) -> set[listening.Place]:
    return {place for line in _lines(layout.root, layout) if (place := listening.listen_place(line))}


def _held(layout: Layout) -> set[listening.Place]:
    """Return the sockets on which this host's Apache listens; another one, as of a container, does not count."""
    pid = parent_pid(layout)
    own = {pid, *processes.children(pid)} if pid else set()
    every = {4: listening.EVERY_IPV4, 6: listening.EVERY_IPV6}
    return {
        (every[item.version] if item.address == "*" else item.address, item.port)
        for item in processes.listeners()
        if item.pid in own
    }
