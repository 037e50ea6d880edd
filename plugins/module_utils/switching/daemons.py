"""The daemon processes of an application's slots.

They are children of this host's own Apache that run as the application's account. Nothing else is: a container on this
host may run processes of the same number, program and title.

mod_wsgi gives each slot a Unix socket. A process holds its slot's socket alone; while it starts, it may hold the other
slot's too, which Apache's parent has. Its title names its slot from the start until the application changes the title.
So a single socket decides, and then the title. The sockets of another account's process cannot be read everywhere, for
example in a container without CAP_SYS_PTRACE. For a changed title there, the door decides through which the process
answers.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import parent
from ansible_collections.grove.wsgi.plugins.module_utils.switching import draining, limits
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import ask


def pids(app: App, colour: str, answered: Collection[int] = ()) -> set[int]:
    """Return the daemon processes of a slot.

    ``answered`` are processes that answered through the slot's door; they count if nothing says that they are of the
    other slot.
    """
    slots = by_slot(app)
    return slots[colour] | (slots[None] & set(answered))


def by_slot(app: App) -> dict[str | None, set[int]]:
    """Return the application's daemon processes by their slots' colours; under None those that nothing assigns."""
    slots: dict[str | None, set[int]] = {"blue": set(), "green": set(), None: set()}
    apache = parent.find(app.apache.pid_file, app.apache.program)
    if apache is None:
        return slots
    uid = _user_id(app)
    inodes = {colour: socket.inodes for colour, socket in draining.sockets(apache, uid).items()}
    for pid in processes.children(apache):
        if processes.owner(pid) == uid and processes.is_local(pid):
            slots[_slot(app, pid, inodes)].add(pid)
    return slots


def socket_of(app: App, colour: str) -> str | None:
    """Return the path of a slot's socket; None when it cannot be told, as when Apache does not run."""
    apache = parent.find(app.apache.pid_file, app.apache.program)
    sockets = draining.sockets(apache, _user_id(app)) if apache else {}
    return sockets[colour].path if colour in sockets else None


def end(app: App, colour: str) -> dict[int, int]:
    """Tell the slot's processes to end, each after its last request; return their ids with their start times.

    Apache starts others for them, and keeps the socket that requests wait in meanwhile.
    """
    slots = by_slot(app)
    ending = slots[colour] | (slots[None] & _answering(app, colour, slots[None]))
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
    latest = time.monotonic() + limits.END_SECONDS
    while any(processes.start_time(pid) == started for pid, started in old.items()):
        if time.monotonic() > latest:
            break
        if all(processes.has_ended(pid) for pid in old):
            _wake(app)
        time.sleep(limits.END_POLL_SECONDS)
    else:
        return
    raise SwitchError(
        f"processes {sorted(old)} of the idle slot {colour} did not end within {limits.END_SECONDS:.0f} s"
    )


def _wake(app: App) -> None:
    """Let Apache's parent see that processes have ended, for which it looks once a second (httpd/mod_grove_wake.c).

    An Apache without that module ignores the signal.
    """
    apache = parent.find(app.apache.pid_file, app.apache.program)
    if apache is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(apache, signal.SIGCONT)


def _user_id(app: App) -> int:
    try:
        return pwd.getpwnam(app.account).pw_uid
    except KeyError:
        raise SwitchError(f"key account: there is no account {app.account} on this host") from None


def _slot(app: App, pid: int, inodes: Mapping[str, frozenset[int]]) -> str | None:
    """Return the colour of the slot that ``pid`` is of; ``inodes`` are those of the slots' sockets, if known."""
    own = processes.socket_inodes(pid)
    held = [colour for colour in COLOURS if own & inodes.get(colour, frozenset())]
    if len(held) == 1:
        return held[0]
    title = processes.command_line(pid).partition(" ")[0]
    for colour in COLOURS:
        # mod_wsgi cuts a title that is longer than the one of Apache.
        if len(title) > len("b-") and f"{colour[0]}-{app.folder.name}".startswith(title):
            return colour
    return None


def _answering(app: App, colour: str, candidates: Collection[int]) -> set[int]:
    """Return the processes that answer through a slot's door, until each of ``candidates`` has, or none will.

    A slot in which a request gets no answer is asked no more: its processes may hang, and each request takes
    ``REQUEST_SECONDS`` then.
    """
    answered: set[int] = set()
    requests = app.processes * 2
    for _ in range(limits.HEALTH_ROUNDS if candidates else 0):
        with ThreadPoolExecutor(max_workers=min(limits.HEALTH_CONNECTIONS, requests)) as pool:
            answers = list(pool.map(lambda _: ask(app.doors[colour], app.health_path), range(requests)))
        answered |= {answer.process for answer in answers}
        if answered.issuperset(candidates) or not all(answer.status for answer in answers):
            break
    return answered
