"""The commands that a record wants run around a deployment: ``prepare``, ``migrate``, ``contract`` and ``after``.

They are part of a release, in its ``commands.json``, and run as the application's account in the release's environment.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder, FolderError
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import without_passwords
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.module_utils.release import launching, limits, prepared, remedies
from ansible_collections.grove.wsgi.plugins.module_utils.release.output import last_lines
from ansible_collections.grove.wsgi.plugins.module_utils.release.trial import Trial, try_release

if TYPE_CHECKING:
    from grove_runtime.launch import Release

EVENTS = {"prepare": "prepared", "migrate": "migrated", "contract": "contracted", "after": "after"}
"""The event of the history that says of a hook that it was run to its end."""


class HookError(OperatorError):
    """A hook failed; the message says which, how, and with what last lines of output."""


def lines_of(folder: AppFolder, release_id: str, hook: str) -> list[str]:
    """Return the command lines of a hook of a release; none when the release does not have it.

    Raises HookError when the release's commands cannot be read.
    """
    try:
        lines: str | list[str] = launching.commands_of(folder.release(release_id)).get(hook) or []
    except (OSError, ValueError) as error:
        raise _unusable(release_id, error) from error
    return [lines] if isinstance(lines, str) else lines


def is_due(folder: AppFolder, release_id: str, hook: str) -> bool:
    """Return whether a release has a hook that still has to be run.

    A command of ``prepare`` is run once on a host, and a migration once for a release. The two others belong to the
    live release, and ``after`` to each time that it was deployed, or to the migration before.
    """
    lines = lines_of(folder, release_id, hook)
    if not lines:
        return False
    if hook == "prepare":
        return bool({prepared.key_of(line) for line in lines} - prepared.read(folder).keys())
    events = history.read(folder)
    if hook == "migrate":
        return not history.is_migrated(events, release_id, shared_migration(folder, release_id))
    live = folder.live()
    if live is None or folder.release_of(live) != release_id:
        return False
    if hook == "contract":
        return not history.is_contracted(events, release_id)
    return history.is_after_due(events, release_id, on_migration=follows_migrations(folder, release_id))


def shared_migration(folder: AppFolder, release_id: str) -> str | None:
    """Return what a release's migration shares with those of other releases; None when it is the release's own.

    Raises OSError and ValueError when the release's commands cannot be read.
    """
    migration: str | None = launching.commands_of(folder.release(release_id)).get("migration")
    return migration


def follows_migrations(folder: AppFolder, release_id: str) -> bool:
    """Return whether a release's ``after`` is only run when something was migrated since it was last run.

    Raises OSError and ValueError when the release's commands cannot be read.
    """
    return bool(launching.commands_of(folder.release(release_id)).get("after_on") == "migration")


def note(folder: AppFolder, release_id: str, hook: str, **more: Any) -> None:
    """Note in the history that a hook was run to its end, here or on another host. Raises OSError and ValueError."""
    if hook == "migrate" and (migration := shared_migration(folder, release_id)):
        more["migration"] = migration
    history.append(folder, EVENTS[hook], release_id, **more)


def run(folder: AppFolder, release_id: str, hook: str, account: pwd.struct_passwd) -> dict[str, Any]:
    """Run the commands of a hook, one after the other, and note it; return ``seconds`` and ``output``, its last lines.

    A command of ``prepare`` is left out if this host has run it, and remembered when it has ended well. Raises
    HookError at the first command that fails, with its last lines, in which values of the release's environment are
    hidden.
    """
    lines = lines_of(folder, release_id, hook)
    if not lines:
        raise HookError(f"release {release_id} has no hook {hook}")
    release, path = _read(folder, release_id), folder.release(release_id).resolve()
    start = time.monotonic()
    outputs = []
    done = prepared.read(folder) if hook == "prepare" else {}
    for number, line in enumerate(lines):
        if prepared.key_of(line) in done:
            continue
        key = hook if len(lines) == 1 else f"{hook}[{number}]"
        outputs.append(run_line(release, path, key, shlex.split(line), account))
        if hook == "prepare":
            prepared.note(folder, line, release_id)
    seconds = round(time.monotonic() - start, 3)
    note(folder, release_id, hook, seconds=seconds)
    return {"seconds": seconds, "output": "\n".join(filter(None, outputs))}


def awaits_trial(folder: AppFolder, release_id: str) -> bool:
    """Return whether a release was not healthy when it was built, and has not been live since."""
    described = folder.describe(release_id) or {}
    return "trial" in described and history.last_made_live(history.read(folder), release_id) is None


def try_after_migration(folder: AppFolder, release_id: str, account: pwd.struct_passwd) -> None:
    """Try a release that was not healthy when it was built, before its migration.

    One that has been live needs no trial. Raises HookError when the release is still not healthy.
    """
    described = folder.describe(release_id) or {}
    if not awaits_trial(folder, release_id):
        return
    trial = Trial(**described["trial"])
    verdict = try_release(folder.release(release_id), trial, account)
    if not verdict.healthy:
        raise HookError(
            "the release does not work after its preparation and migration either: as the application's account,"
            f" outside Apache, it was loaded and asked for {trial.health}:\n{verdict.output}"
            f"{remedies.of_release(folder.release(release_id), verdict.output)}"
        )


def aftermath(folder: AppFolder, release_id: str, hook: str) -> str:
    """Return what a failed hook has left as it was, and what was not done, as text for the operator."""
    if hook not in ("prepare", "migrate"):
        return (
            f"release {release_id} is live and stays so; not done: the rest of this hook."
            " Run again when the cause is gone"
        )
    try:
        serving = history.serving(folder)
    except FolderError as error:
        return f"it cannot be told which release serves: {error}"
    if serving is None:
        return (
            f"release {release_id} is the first one and was not started; nothing serves yet."
            " Run again when the cause is gone"
        )
    if serving == release_id:
        return f"release {release_id} serves on. Run again when the cause is gone"
    return (
        f"release {serving} serves on; done: release {release_id} is built and tried, and whatever {hook} did"
        " before it failed; not done: starting the idle slot, the switch. Run again when the cause is gone"
    )


def _read(folder: AppFolder, release_id: str) -> Release:
    try:
        return launching.read(folder.release(release_id).resolve())
    except (OSError, ValueError, KeyError) as error:
        raise _unusable(release_id, error) from error


def _unusable(release_id: str, error: Exception) -> HookError:
    return HookError(f"the commands of release {release_id} cannot be used: {explain(error)}")


def run_line(release: Release, path: Path, key: str, command: list[str], account: pwd.struct_passwd) -> str:
    """Run one command of the release in the folder ``path``; return its last lines, without secrets.

    ``key`` is where the command stands in the record. Raises HookError when there is no such program, or it fails.
    """
    program = release.expand(command[0])
    if os.path.dirname(program):
        program = os.path.join(release.folder, program)
    if shutil.which(program, path=release.environment(account)["PATH"]) is None:
        raise HookError(f"key {key}: found no command {program!r} in the release's virtualenv or on the host")
    start = time.monotonic()
    done = launching.run(path, account, command)
    output = _without_secrets(last_lines(done.stdout, limits.HOOK_OUTPUT_LINES), release, account)
    if done.returncode:
        seconds = round(time.monotonic() - start, 3)
        ending = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        raise HookError(
            f"key {key}: {os.path.basename(program)} failed ({ending}) after {seconds} s:\n{output}"
            f"{remedies.of_release(path, output)}"
        )
    return output


def _without_secrets(text: str, release: Release, account: pwd.struct_passwd) -> str:
    environment = release.environment(account)
    own = {name: str(value) for name, value in release.commands["environment"].items()}
    values = {*own.values(), *(environment[name] for name in own)}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= limits.SHORTEST_SECRET:
            text = text.replace(value, "********")
    return without_passwords(text)
