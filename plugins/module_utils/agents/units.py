"""Agents: the programs of an application that run beside it as services of systemd, each in a release of its own.

``agents/NAME`` in the application's folder points to the release that the agent runs from its next start on, so that
those which have to be replaced before the traffic moves can be, and the others after it.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import without_passwords
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text

FILE = "commands.json"
PROPERTIES = "ActiveState,SubState,MainPID,NRestarts,NeedDaemonReload"
UNITS = Path("/etc/systemd/system")
RUN = Path("/run")
PROC = Path("/proc")
# Most programs that cannot work end within two seconds. Releases of before the key settle say nothing of it.
SETTLE = 4
# Seconds that restarting them may take: all of a control plane, on a small host, import for a minute.
LONGEST = 240
# One that has ended as often as this will not stay up, however long it is waited for.
ENDINGS = 10
SHOWN_LINES = 15


class AgentError(OperatorError):
    """An agent does not run; the message names it and shows the last lines that it wrote."""


@dataclass(frozen=True)
class State:
    """What systemd and the process say of an agent: whether it is up, its process, and the release that this runs.

    ``stale`` says that its unit has changed since systemd has read it. ``workers`` are processes that it has forked.
    """

    active: bool
    stale: bool
    pid: int
    restarts: int
    release: str | None
    workers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Change:
    """Agents of an application that are to run a release."""

    folder: AppFolder
    release: str
    names: Collection[str]


def unit(app: str, agent: str) -> str:
    """Return the name of an agent's unit."""
    return f"grove-{app}-{agent}.service"


def write_units(app: str, units: Mapping[str, str], *, dry: bool = False) -> list[str]:
    """Write the units that differ from those on the host; return the agents whose units these are."""
    changed = [name for name, text in units.items() if _text(UNITS / unit(app, name)) != text]
    for name in changed if not dry else []:
        replace_text(UNITS / unit(app, name), units[name], mode=0o644)
    return changed


def of_release(folder: AppFolder, release: str, restart: str | None = None) -> list[str]:
    """Return the agents of a release, or those that are restarted ``before`` or ``after`` the switch."""
    return sorted(name for name, agent in _described(folder, release).items() if restart in (None, agent["restart"]))


def _described(folder: AppFolder, release: str) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads((folder.release(release) / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    agents: dict[str, dict[str, Any]] = content.get("agents", {})
    return agents


def settle(folder: AppFolder, release: str, name: str) -> float:
    """Return the seconds that an agent of a release has to stay up to count as running."""
    return float(_described(folder, release).get(name, {}).get("settle", SETTLE))


def state(app: str, agent: str) -> State:
    """Return the state of an agent. Raises AgentError when systemd cannot be asked."""
    asked = ["systemctl", "show", f"--property={PROPERTIES}", unit(app, agent)]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AgentError(f"systemd cannot be asked about {unit(app, agent)}: {done.stderr.strip()}")
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    pid = int(found.get("MainPID") or 0)
    active = found.get("ActiveState") == "active" and found.get("SubState") == "running"
    stale = found.get("NeedDaemonReload") == "yes"
    restarts = int(found.get("NRestarts") or 0)
    return State(active, stale, pid, restarts, _release_of(unit(app, agent), pid), workers_of(pid))


def workers_of(pid: int) -> frozenset[int]:
    """Return the processes that a process has forked and that run the same program still."""
    found = []
    for children in (PROC / str(pid) / "task").glob("*/children") if pid else []:
        found += [int(child) for child in _text(children).split()]
    program = _program(pid)
    return frozenset(child for child in found if program and _program(child) == program)


def _program(pid: int) -> str:
    try:
        return os.readlink(PROC / str(pid) / "exe")
    except OSError:
        # A container's root may not see it of other accounts; its name is for all to see.
        return _text(PROC / str(pid) / "comm")


def _release_of(service: str, pid: int) -> str | None:
    # Written by wsgi/run before it became the agent: the environment of a process may not be read everywhere.
    words = _text(RUN / service.removesuffix(".service") / "release").split()
    return words[1] if len(words) == 2 and words[0] == str(pid) else None


def behind(folder: AppFolder, release: str, names: Iterable[str]) -> list[str]:
    """Return the agents that do not run the release, or under an older unit."""
    found = []
    for name in names:
        now = state(folder.name, name)
        if not now.active or now.stale or now.release != release or folder.agent_releases().get(name) != release:
            found.append(name)
    return found


def bring(folder: AppFolder, release: str, names: Collection[str], seconds: float) -> None:
    """Restart agents in a release, all at once, and wait until each has stayed up for a while.

    Raises AgentError for those that have not within ``seconds``; they are left to systemd, which starts them again.
    """
    change = Change(folder, release, names)
    start(change)
    for complaint in wait([change], seconds).values():
        raise AgentError(complaint)


def start(change: Change) -> None:
    """Restart agents in a release, without waiting for them. Raises AgentError when systemd does not take it."""
    if not change.names:
        return
    for name in change.names:
        change.folder.point_agent(name, change.release)
    units = [unit(change.folder.name, name) for name in change.names]
    _systemctl("daemon-reload")
    _systemctl("enable", "--quiet", *units)
    _systemctl("reset-failed", *units)
    _systemctl("restart", "--no-block", *units)


def wait(changes: Iterable[Change], seconds: float) -> dict[str, str]:
    """Wait until each agent has stayed up for a while, and its workers, too, which a program may start again for ever.

    Returns by application what is to be said of those that have not within ``seconds``.
    """
    begun = time.monotonic()
    since: dict[tuple[str, str], tuple[State, float]] = {}
    endings: dict[tuple[str, str], int] = {}
    waiting = [(change, name) for change in changes for name in change.names]
    long = {(change.folder.name, name): settle(change.folder, change.release, name) for change, name in waiting}
    hopeless: list[tuple[Change, str]] = []
    while waiting and time.monotonic() - begun < seconds:
        time.sleep(0.4)
        for change, name in list(waiting):
            key = (change.folder.name, name)
            now = state(*key)
            last, at = since.get(key, (now, time.monotonic()))
            # Of the process that is replaced, they are meant to end.
            ended = now.release == change.release and last.pid == now.pid and bool(last.workers - now.workers)
            endings[key] = endings.get(key, 0) + max(now.restarts - last.restarts, int(ended))
            if endings[key] >= ENDINGS:
                waiting.remove((change, name))
                hopeless.append((change, name))
            elif not now.active or now.release != change.release or (last.pid, last.workers) != (now.pid, now.workers):
                since[key] = (now, time.monotonic())
            elif time.monotonic() - at >= long[key]:
                waiting.remove((change, name))
            else:
                since[key] = (last, at)
    complaints: dict[str, list[str]] = {}
    for change, name in [*hopeless, *waiting]:
        key = (change.folder.name, name)
        complaints.setdefault(key[0], []).append(_complaint(*key, long[key], time.monotonic() - begun))
    return {app: "\n".join(found) for app, found in complaints.items()}


def _complaint(app: str, name: str, up: float, seconds: float) -> str:
    asked = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={SHOWN_LINES}", "--unit", unit(app, name)]
    said = subprocess.run(asked, capture_output=True, text=True, errors="replace", check=False).stdout.strip()
    return (
        f"key agents.{name}: {unit(app, name)} did not stay up for {up:.0f} s within {seconds:.0f} s:\n"
        f"{without_passwords(said)}"
    )


def _systemctl(*arguments: str) -> None:
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode and arguments[0] != "reset-failed":
        raise AgentError(f"systemctl {' '.join(arguments)}: {done.stderr.strip()}")


def installed(app: str) -> list[str]:
    """Return the agents of an application that have a unit on this host."""
    prefix, suffix = f"grove-{app}-", ".service"
    units = UNITS.glob(f"{prefix}*{suffix}")
    names = [path.name.removeprefix(prefix).removesuffix(suffix) for path in units]
    return sorted(name for name in names if "--agent" in _text(UNITS / unit(app, name)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def follow(folder: AppFolder, release: str, seconds: float = LONGEST) -> list[str]:
    """Let all agents that have a unit here run the release that went live; return those that were restarted.

    Raises AgentError for those that have not stayed up within ``seconds``.
    """
    names = [name for name in of_release(folder, release) if name in installed(folder.name)]
    late = behind(folder, release, names)
    bring(folder, release, late, seconds)
    return late


def serving(folder: AppFolder) -> str | None:
    """Return the live release."""
    live = folder.live()
    return folder.release_of(live) if live else None
