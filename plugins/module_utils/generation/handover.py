"""A handover: a new generation is started and asked, gets the new connections, and the former one leaves.

The steps are commands of their own: systemd starts Apache in the sandbox of its unit, and the rest outside of it. Each
step may be the last of a run that is killed. ``settle`` then leaves one generation, and needs no note of the run:
of two running generations, the one that the link ``live`` names stays.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Collection
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.generation import (
    connections,
    door,
    kernel,
    limits,
    memory,
    state,
    steering,
    trees,
)
from ansible_collections.grove.wsgi.plugins.module_utils.generation.state import Generation, GenerationError, Settings
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import loaded, tree


def clear(settings: Settings) -> None:
    """Before a start: end all generations but what the live one's parent has left if it was killed, which serves on."""
    live = state.live(settings)
    for one in state.running(settings):
        pid = one.parent()
        if one != live and pid is not None:
            _kill({pid, *processes.children(pid)})
    for one in state.every(settings):
        one.leaving.unlink(missing_ok=True)
    _end_orphans(settings)


def boot(settings: Settings) -> Generation:
    """Start the generation that was made live last, or the first one."""
    generation = state.live(settings)
    if generation is None or not generation.tree.is_dir():
        generation = trees.make(settings)
        state.make_live(generation)
    _start(generation)
    state.show_parent(generation)
    _note_live(generation)
    return generation


def heal(settings: Settings) -> list[str]:
    """After a start: let the live generation take over from what its killed parent has left; return what fails in it.

    The left processes serve until the applications have come up again, and are ended then.
    """
    live = state.live(settings)
    pid = live.parent() if live is not None else None
    if live is None or pid is None or not orphans(settings):
        return []
    steering.admit(pid, only=[live.door])
    found = door.problems(settings, live, door.served(settings, live))
    steering.admit(pid)
    _end_orphans(settings)
    steering.keep(pid)
    return found


def stopped(settings: Settings, result: str) -> None:
    """After a stop: end what runs. What a killed parent has left serves on, until the live generation runs again.

    result: what systemd says of the unit, as in its variable SERVICE_RESULT.
    """
    if result in limits.SERVED_ON_RESULTS:
        return
    families = {one: {pid, *processes.children(pid)} for one in state.running(settings) if (pid := one.parent())}
    for family in families.values():
        _kill(family)
    _end_orphans(settings, spare_live=False)


def renew(settings: Settings) -> Generation:
    """Let the next start be that of Apache's tree as it is now. No generation runs."""
    generation = trees.make(settings)
    state.make_live(generation)
    return generation


def prepare(settings: Settings) -> Generation:
    """Make the tree of a new generation, and keep all connections where they go.

    Raises GenerationError when this host, its memory or Apache's configuration does not allow a handover.
    """
    settle(settings)
    if problem := kernel.obstacle():
        raise GenerationError(problem)
    old = _live_running(settings)
    pid = old.parent()
    assert pid is not None
    if not steering.shares_ports(pid):
        raise GenerationError(
            "the running Apache was not started as a generation, so no second one can listen beside it; ./grove site"
            " restarts it once"
        )
    generation = trees.make(settings)
    try:
        _require_memory(old, pid, generation)
        steering.keep(pid)
    except BaseException:
        trees.remove(generation)
        raise
    return generation


def begin(settings: Settings) -> Generation:
    """Start the new generation, which gets no connection yet. Raises GenerationError when it does not come up."""
    generation = _newest(settings)
    try:
        _start(generation)
    except BaseException:
        _undo(generation)
        raise
    return generation


def finish(settings: Settings) -> Generation:
    """Ask the new generation, give it the new connections, and let the former one leave.

    Raises GenerationError when an application does not come up in the new generation, which is ended then.
    """
    old, new = _live_running(settings), _newest(settings)
    with state.no_handover(alone=True):
        try:
            pid, target = old.parent(), new.parent()
            if pid is None or target is None:
                raise GenerationError(f"{new if target is None else old} has ended")
            if found := door.problems(settings, new, door.served(settings, new)):
                raise GenerationError("\n".join(found))
            state.make_live(new)
        except BaseException:
            _undo(new)
            raise
        steering.steer(target, pid)
        _note_live(new)
        if not _leave(old, new):
            _take_back(old, new)
            trees.prune(settings)
            raise GenerationError(f"{new} has ended while {old} was leaving, so {old} serves on")
        trees.prune(settings)
    return new


def settle(settings: Settings) -> None:
    """Complete or undo what a killed run has left: afterwards one generation runs at most, the live one."""
    _end_orphans(settings)
    live, running = state.live(settings), state.running(settings)
    if not running:
        return
    if live is None or live not in running:
        # The live one was killed: its connections go to the other one already.
        live = running[-1] if live is None else max(running, key=lambda one: one.number)
        state.make_live(live)
        live.leaving.unlink(missing_ok=True)
    newer = [one for one in running if one.number > live.number]
    for one in newer:
        _undo(one)
    older = [one for one in running if one.number < live.number]
    target = live.parent()
    if older and target is not None:
        with state.no_handover(alone=True):
            steering.steer(target, older[-1].parent())
            live.leaving.unlink(missing_ok=True)
            state.show_parent(live)
            _note_live(live)
            for one in older:
                _leave(one, live)
    trees.prune(settings)
    for one in state.every(settings):
        if one.number > live.number:
            trees.remove(one)


def _take_back(old: Generation, new: Generation) -> None:
    """Let the former generation serve again, because the parent of the live one has ended."""
    state.make_live(old)
    old.leaving.unlink(missing_ok=True)
    _end_orphans(new.settings)
    pid = old.parent()
    if pid is not None:
        steering.keep(pid)
    _note_live(old)


def _live_running(settings: Settings) -> Generation:
    live = state.live(settings)
    if live is None or live.parent() is None:
        service = settings.layout.service
        raise GenerationError(f"no generation of Apache runs; systemctl start {service} starts it")
    return live


def _newest(settings: Settings) -> Generation:
    """Return the generation that ``prepare`` has made."""
    live = state.live(settings)
    newest = state.every(settings)[-1:]
    if live is None or not newest or newest[0].number <= live.number:
        raise GenerationError(f"no generation was prepared; systemctl reload {settings.layout.service} does all steps")
    return newest[0]


def _note_live(generation: Generation) -> None:
    """Note what the live generation has read, for the module that loads what was written."""
    pid = generation.parent()
    if pid is not None:
        loaded.note_loaded(pid, generation.applied)


def _require_memory(old: Generation, pid: int, new: Generation) -> None:
    """Raise GenerationError when the host has no memory for the new generation beside the old one."""
    needed = memory.needed(pid, trees.processes_of(old), trees.processes_of(new))
    free = memory.available(pid)
    if needed > free:
        raise GenerationError(
            f"a second generation needs about {needed // 2**20} MB (with {limits.SPARE_BYTES // 2**20} MB to spare),"
            f" and {free // 2**20} MB are available"
        )


def _start(generation: Generation) -> None:
    """Start Apache with the tree of the generation, and wait until it listens."""
    settings = generation.settings
    layout = settings.layout
    environment = tree.environment(layout)
    settings.run_folder.mkdir(parents=True, exist_ok=True)
    if "APACHE_LOCK_DIR" in environment:
        Path(environment["APACHE_LOCK_DIR"]).mkdir(parents=True, exist_ok=True)
    generation.leaving.unlink(missing_ok=True)
    generation.pid_file.unlink(missing_ok=True)
    command = [layout.binary, *trees.options(generation), "-k", "start"]
    # The output goes through a file: the daemon, which lives on, would keep a pipe open.
    output = generation.pid_file.with_suffix(".output")
    try:
        with open(output, "w+", encoding="utf-8", errors="replace") as stream:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, check=False
            )
            stream.seek(0)
            text = trees.shown(generation, stream.read())
    finally:
        output.unlink(missing_ok=True)
    if done.returncode:
        raise GenerationError(f"Apache did not start: {text or end_of_log(layout.log_dir)}")
    deadline = time.monotonic() + limits.START_SECONDS
    appeared = False
    while time.monotonic() < deadline:
        if generation.parent() is not None:
            appeared = True
            if processes.listening_users(*generation.door):
                return
        elif appeared:
            break
        time.sleep(limits.POLL_SECONDS)
    raise GenerationError(f"Apache did not come up: {end_of_log(layout.log_dir)}")


def end_of_log(folder: str, lines: int = 4) -> str:
    """Return the last lines of Apache's error log, in which it gives the reason."""
    try:
        return " / ".join(Path(folder, "error.log").read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return "it has no error log"


def _undo(generation: Generation) -> None:
    """End a generation that never got a connection, at once, and remove its tree."""
    pid = generation.parent()
    if pid is not None:
        _kill({pid, *processes.children(pid)})
    _end_orphans(generation.settings)
    generation.pid_file.unlink(missing_ok=True)
    trees.remove(generation)


def orphans(settings: Settings) -> dict[int, int | None]:
    """Return the processes of generations whose parent was killed, each with the number of its generation.

    The number is None where the command line does not show it: mod_wsgi gives its daemon processes another title.
    """
    parents = {one.parent() for one in state.running(settings)}
    families = processes.children_by_parent()
    words = re.compile(rf" -d {re.escape(str(settings.folder))}/(\d+) -f ")
    unit, program = f"{settings.layout.service}.service", settings.layout.program
    found: dict[int, int | None] = {}
    for pid in processes.pids():
        match = words.search(processes.command_line(pid))
        is_apache = match or (processes.program(pid) == program and processes.is_in_unit(pid, unit))
        if is_apache and not {pid, processes.parent_of(pid)} & parents and processes.is_local(pid):
            found[pid] = int(match.group(1)) if match else None
    # Programs that a daemon process has started go with it.
    started = set(found)
    while started := {child for pid in started for child in families.get(pid, ())} - set(found):
        found |= dict.fromkeys(started)
    return found


def _end_orphans(settings: Settings, *, spare_live: bool = True) -> None:
    """End what killed parents have left: workers would go on to accept connections.

    Those of the live generation serve until it runs again; ``spare_live`` leaves them meanwhile.
    """
    live = state.live(settings)
    found = orphans(settings)
    if spare_live and live is not None and live.parent() is None:
        found = {pid: number for pid, number in found.items() if number not in (None, live.number)}
    _kill(found)


def _kill(pids: Collection[int]) -> None:
    started = {pid: processes.start_time(pid) for pid in pids}
    for pid in sorted(pids):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + limits.KILL_SECONDS
    while time.monotonic() < deadline and any(_is_there(pid, ticks) for pid, ticks in started.items()):
        time.sleep(limits.POLL_SECONDS)


def _is_there(pid: int, started: int) -> bool:
    # A killed process closes its sockets after its memory is gone, and its command line with it.
    return started != 0 and processes.start_time(pid) == started and not processes.has_ended(pid)


def _leave(generation: Generation, successor: Generation) -> bool:
    """Let a generation that gets no new connections answer its last requests, and end it.

    Return False, and let it go on, if its successor ends meanwhile.
    """
    pid = generation.parent()
    if pid is None:
        _end_orphans(generation.settings)
        return True
    started = processes.start_time(pid)
    family = {pid, *processes.children(pid)}
    generation.leaving.touch()
    if not _drain(generation, successor):
        return False
    for number, seconds in (
        (signal.SIGWINCH, limits.STOP_SECONDS),
        (signal.SIGTERM, limits.KILL_SECONDS),
        (signal.SIGKILL, limits.KILL_SECONDS),
    ):
        if not _is_there(pid, started):
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and _is_there(pid, started):
            time.sleep(limits.POLL_SECONDS)
    else:
        _kill(family)
    _end_orphans(generation.settings)
    generation.leaving.unlink(missing_ok=True)
    return True


def _drain(generation: Generation, successor: Generation) -> bool:
    """Wait until a generation has no request, and no kept connection from which one can come.

    Return False if its successor ends meanwhile.
    """
    pid = generation.parent()
    if pid is None:
        return True
    try:
        with steering.listening_sockets(pid) as sockets:
            ports = {port for _, port in sockets} - {generation.door[1]}
    except (GenerationError, OSError):
        if generation.parent() is None:
            # Killed at this moment; its workers are ended with all that a killed parent leaves.
            return True
        raise
    # New connections go to the successor, so no other one can be this generation's.
    own = connections.to_ports(ports)
    # Those of the successor from the same moment may stay; then a kept connection without a request is closed in time.
    keepalive = trees.keepalive_seconds(generation) + limits.QUIET_SECONDS
    begun = idle_since = time.monotonic()
    while time.monotonic() - begun < generation.settings.drain_timeout:
        if successor.parent() is None:
            return generation.parent() is None
        now = time.monotonic()
        busy = door.busy_workers(generation)
        if busy is None and generation.parent() is None:
            return True
        if busy != 0:
            idle_since = now
        own &= connections.to_ports(ports)
        if busy == 0 and (not own or now - idle_since >= keepalive):
            return True
        time.sleep(limits.POLL_SECONDS)
    return True
