"""Agents: the programs of an application that run beside it as services of systemd, each in a release of its own.

``agents/NAME`` in the application's folder points to the release that the agent runs from its next start on, so that
those which have to be replaced before the traffic moves can be, and the others after it.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.accounts import without_passwords
from ansible_collections.grove.wsgi.plugins.module_utils.app_folder import AppFolder, replace_text

FILE = "commands.json"
PROPERTIES = "ActiveState,SubState,MainPID,NRestarts,NeedDaemonReload"
UNITS = Path("/etc/systemd/system")
RUN = Path("/run")
# Seconds that an agent has to stay up to count as started; most that cannot work end within two.
SETTLED = 4.0
# Seconds that restarting them may take.
LONGEST = 120
SHOWN_LINES = 15


class AgentError(Exception):
    """An agent does not run; the message names it and shows the last lines that it wrote."""


@dataclass(frozen=True)
class State:
    """What systemd and the process say of an agent: whether it is up, its process, and the release that this runs.

    ``stale`` says that its unit has changed since systemd has read it.
    """

    active: bool
    stale: bool
    pid: int
    restarts: int
    release: str | None


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
    try:
        content = json.loads((folder.release(release) / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    agents: dict[str, dict[str, str]] = content.get("agents", {})
    return sorted(name for name, agent in agents.items() if restart in (None, agent["restart"]))


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
    return State(active, stale, pid, int(found.get("NRestarts") or 0), _release_of(unit(app, agent), pid))


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
    if not names:
        return
    for name in names:
        folder.point_agent(name, release)
    units = [unit(folder.name, name) for name in names]
    _systemctl("daemon-reload")
    _systemctl("enable", "--quiet", *units)
    _systemctl("reset-failed", *units)
    _systemctl("restart", "--no-block", *units)
    end = time.monotonic() + seconds
    since: dict[str, tuple[int, float]] = {}
    waiting = list(names)
    while waiting and time.monotonic() < end:
        time.sleep(0.2)
        for name in list(waiting):
            now = state(folder.name, name)
            if not now.active or now.release != release:
                since.pop(name, None)
                continue
            pid, at = since.setdefault(name, (now.pid, time.monotonic()))
            if pid != now.pid:
                since[name] = (now.pid, time.monotonic())
            elif time.monotonic() - at >= SETTLED:
                waiting.remove(name)
    if waiting:
        raise AgentError("\n".join(_complaint(folder.name, name, seconds) for name in waiting))


def _complaint(app: str, name: str, seconds: float) -> str:
    asked = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={SHOWN_LINES}", "--unit", unit(app, name)]
    said = subprocess.run(asked, capture_output=True, text=True, errors="replace", check=False).stdout.strip()
    return (
        f"key agents.{name}: {unit(app, name)} did not stay up for {SETTLED:.0f} s within {seconds:.0f} s:\n"
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
