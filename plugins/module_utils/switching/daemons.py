"""The daemon processes of an application's slots.

They are children of this host's own Apache that run as the application's account. Nothing else is: a container on this
host may run processes of the same number, program and title.

mod_wsgi gives each slot a Unix socket, and starts the slot's processes in the order of declaration, blue before green.
A process holds the sockets that were there when it started: the last one of them is its own. Its title says the same,
until the application changes it. The sockets of another account's process cannot be read everywhere, for example in a
container without CAP_SYS_PTRACE. There the title counts, and for a changed title the door through which it answers.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
from collections.abc import Collection

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import parent
from ansible_collections.grove.wsgi.plugins.module_utils.switching import draining, limits
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.pauses import pauses
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import ask


def pids(app: App, colour: str, answered: Collection[int] = ()) -> set[int]:
    """Return the daemon processes of a slot.

    ``answered`` are processes that answered through the slot's door; they count if nothing says that they are of the
    other slot.
    """
    slots = _by_slot(app)
    return slots[colour] | (slots[None] & set(answered))


def socket_of(app: App, colour: str) -> str | None:
    """Return the path of a slot's socket; None when it cannot be told, as when Apache does not run."""
    apache = parent.find(app.apache.pid_file, app.apache.program)
    found = draining.sockets(apache, _user_id(app)) if apache else {}
    return found[colour].path if colour in found else None


def end(app: App, colour: str) -> dict[int, int]:
    """Tell the slot's processes to end, each after its last request; return their ids with their start times.

    Apache starts others for them, and keeps the socket that requests wait in meanwhile.
    """
    slots = _by_slot(app)
    ending = set(slots[colour])
    if slots[None]:
        answers = [ask(app.doors[colour], app.health_path) for _ in range(limits.HEALTH_ROUNDS * app.processes)]
        ending |= slots[None] & {answer.process for answer in answers}
    old = {pid: processes.start_time(pid) for pid in ending}
    for pid in old:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
    return old


def replace(app: App, colour: str) -> None:
    """End the slot's processes, each after its last request, and wait until they are gone.

    Raises SwitchError when they are still there after ``END_SECONDS``.
    """
    old = end(app, colour)
    for _ in pauses(limits.END_SECONDS):
        if not any(processes.start_time(pid) == started for pid, started in old.items()):
            return
    raise SwitchError(
        f"processes {sorted(old)} of the idle slot {colour} did not end within {limits.END_SECONDS:.0f} s"
    )


def _by_slot(app: App) -> dict[str | None, set[int]]:
    """Return the application's daemon processes by their slots; those whose slot cannot be told are under None."""
    slots: dict[str | None, set[int]] = {"blue": set(), "green": set(), None: set()}
    apache = parent.find(app.apache.pid_file, app.apache.program)
    if apache is None:
        return slots
    uid = _user_id(app)
    sockets = draining.sockets(apache, uid)
    for pid in processes.children(apache):
        if processes.owner(pid) == uid and processes.is_local(pid):
            slots[_slot(app, pid, {colour: found.inode for colour, found in sockets.items()})].add(pid)
    return slots


def _user_id(app: App) -> int:
    try:
        return pwd.getpwnam(app.account).pw_uid
    except KeyError:
        raise SwitchError(f"key account: there is no account {app.account} on this host") from None


def _slot(app: App, pid: int, sockets: dict[str, int]) -> str | None:
    held = processes.socket_inodes(pid)
    for colour in reversed(COLOURS):
        if sockets.get(colour) in held:
            return colour
    title = processes.command_line(pid).partition(" ")[0]
    for colour in COLOURS:
        # mod_wsgi cuts a title that is longer than the one of Apache.
        if len(title) > len("b-") and f"{colour[0]}-{app.folder.name}".startswith(title):
            return colour
    return None
