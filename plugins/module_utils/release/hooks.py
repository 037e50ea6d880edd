"""The commands that a record wants run around a deployment: ``migrate``, ``contract`` and ``after``.

They are part of a release, in its ``commands.json``, and run as the application's account in the release's environment.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import run_as, without_passwords

FILE = "commands.json"
DONE = {"migrate": "migrated", "contract": "contracted", "after": "after"}
SHOWN_LINES = 20
SHORTEST_SECRET = 4


class HookError(OperatorError):
    """A hook failed; the message says which, how, and with what last words."""


@dataclass(frozen=True)
class Hooks:
    """The hooks of a release: lists of command lines by name, and what they are run with."""

    release: Path
    commands: Mapping[str, list[str]]
    environment: Mapping[str, str]
    home: str
    state: str
    logs: str

    def expand(self, text: str) -> str:
        """Return ``text`` with the places of the release and the application for their placeholders."""
        places = {"etc": f"{self.release}/etc", "release": str(self.release), "state": self.state, "logs": self.logs}
        for name, place in places.items():
            text = text.replace("{" + name + "}", place)
        return text

    def words(self, line: str) -> list[str]:
        """Return the words of a command line; a placeholder stays one word."""
        return [self.expand(word) for word in shlex.split(line)]


def read(folder: AppFolder, release: str) -> Hooks | None:
    """Return the hooks of a release; None when it has none.

    Raises HookError when the file is there and cannot be used.
    """
    path = folder.release(release) / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Hooks(
            release=path.parent.resolve(),
            commands={name: _lines(content[name]) for name in DONE if content.get(name)},
            environment=dict(content["environment"]),
            home=content["home"],
            state=content["state"],
            logs=content["logs"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        raise HookError(f"{path} cannot be used: {error}") from error


def _lines(hook: str | list[str]) -> list[str]:
    return [hook] if isinstance(hook, str) else hook


def is_due(folder: AppFolder, release: str, what: str) -> bool:
    """Return whether the hook ``what`` of a release is there and still has to be run.

    A migration is run once; the two others belong to the live release, and ``after`` to each time that it was deployed.
    """
    found = read(folder, release)
    if found is None or what not in found.commands:
        return False
    events = history.read(folder)
    if what == "migrate":
        return not history.is_migrated(events, release)
    live = folder.live()
    if live is None or folder.release_of(live) != release:
        return False
    if what == "contract":
        return not history.is_contracted(events, release)
    return history.is_after_due(events, release)


def run(folder: AppFolder, release: str, what: str, account: pwd.struct_passwd) -> dict[str, Any]:
    """Run the commands of a hook, one after the other, and note it; return its seconds and the last lines.

    Raises HookError at the first that fails, with its last lines, in which values of the release's environment are
    blotted out.
    """
    found = read(folder, release)
    if found is None or what not in found.commands:
        raise HookError(f"release {release} has no hook {what}")
    lines = found.commands[what]
    begun = time.monotonic()
    outputs = []
    for number, line in enumerate(lines):
        key = what if len(lines) == 1 else f"{what}[{number}]"
        outputs.append(_run_line(found, key, found.words(line), account))
    seconds = round(time.monotonic() - begun, 3)
    history.append(folder, DONE[what], release, seconds=seconds)
    return {"seconds": seconds, "output": "\n".join(filter(None, outputs))}


def _run_line(found: Hooks, key: str, command: list[str], account: pwd.struct_passwd) -> str:
    environment = _environment(found, account)
    if shutil.which(command[0], path=environment["PATH"]) is None:
        hint = _hint(found.release, command[0])
        raise HookError(f"key {key}: found no command {command[0]!r} in the release's virtualenv or on the host{hint}")
    begun = time.monotonic()
    done = run_as(account, command, environment=environment, folder=found.release)
    output = _without_secrets("\n".join(done.stdout.strip().splitlines()[-SHOWN_LINES:]), found)
    if done.returncode:
        seconds = round(time.monotonic() - begun, 3)
        ended = f"exit status {done.returncode}" if done.returncode > 0 else f"signal {-done.returncode}"
        raise HookError(f"key {key}: {os.path.basename(command[0])} failed ({ended}) after {seconds} s:\n{output}")
    return output


def _environment(hooks: Hooks, account: pwd.struct_passwd) -> dict[str, str]:
    base = {
        "PATH": f"{hooks.release}/venv/bin:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": hooks.home,
        "USER": account.pw_name,
        "LOGNAME": account.pw_name,
        "VIRTUAL_ENV": f"{hooks.release}/venv",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GROVE_RELEASE": hooks.release.name,
    }
    if (hooks.release / "extras").is_dir():
        base["PYTHONPATH"] = f"{hooks.release}/extras"
    return {**base, **{name: hooks.expand(value) for name, value in hooks.environment.items()}}


def _hint(release: Path, name: str) -> str:
    if (release / "dependencies" / "bin" / name).exists():
        return f"; it belongs to a locked requirement, so call it as 'python -m {name}'"
    return ""


def _without_secrets(text: str, hooks: Hooks) -> str:
    values = {value for value in hooks.environment.values() if len(value) >= SHORTEST_SECRET}
    for value in sorted({*values, *(hooks.expand(value) for value in values)}, key=len, reverse=True):
        text = text.replace(value, "********")
    return without_passwords(text)
