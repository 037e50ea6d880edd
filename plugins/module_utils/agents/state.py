"""What an agent does now, as systemd, its process and its workers show it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.agents.units import AgentError, unit
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes

PROPERTIES = "ActiveState,SubState,MainPID,NRestarts,NeedDaemonReload"
RUN = Path("/run")


@dataclass(frozen=True)
class State:
    """Whether an agent is up, its process, how often systemd has restarted it, and the release that it runs.

    ``stale`` says that its unit has changed since systemd has read it. ``workers`` are processes that it has forked;
    only ``with_workers`` fills them in.
    """

    active: bool
    stale: bool
    pid: int
    restarts: int
    release: str | None
    workers: frozenset[int] = frozenset()


def state(app: str, agent: str) -> State:
    """Return the state of an agent. Raises AgentError when systemd does not answer."""
    return states(app, [agent])[agent]


def states(app: str, agents: Sequence[str]) -> dict[str, State]:
    """Return the states of agents of an application, by name. Raises AgentError when systemd does not answer.

    One call of systemctl asks for all, since its start takes longer than its answer.
    """
    if not agents:
        return {}
    units = [unit(app, agent) for agent in agents]
    command = ["systemctl", "show", f"--property={PROPERTIES}", "--", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AgentError(f"systemd cannot be asked about {', '.join(units)}: {done.stderr.strip()}")
    # systemctl describes the units in their order, with an empty line between two.
    blocks = done.stdout.strip("\n").split("\n\n")
    return {agent: _state(name, block) for agent, name, block in zip(agents, units, blocks, strict=True)}


def _state(service: str, block: str) -> State:
    properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    pid = int(properties.get("MainPID") or 0)
    return State(
        active=properties.get("ActiveState") == "active" and properties.get("SubState") == "running",
        stale=properties.get("NeedDaemonReload") == "yes",
        pid=pid,
        restarts=int(properties.get("NRestarts") or 0),
        release=_release_of(service, pid),
    )


def with_workers(actual: State, children: Mapping[int, Collection[int]]) -> State:
    """Return a state with its workers; ``children`` are the processes of this host by their parents."""
    return replace(actual, workers=workers_of(actual.pid, children.get(actual.pid, ())))


def workers_of(pid: int, children: Iterable[int]) -> frozenset[int]:
    """Return those of a main process's ``children`` that run the same program as it.

    Processes of containers with the same account and program are children of others. A container that an agent has
    started is not one of its workers either.
    """
    program = _program(pid) if pid else ""
    if not program:
        return frozenset()
    return frozenset(child for child in children if _program(child) == program and processes.is_local(child))


def outdated(folder: AppFolder, release: str, names: Iterable[str]) -> list[str]:
    """Return the agents that do not run, run another release than this, or run under an older unit."""
    pointed = folder.agent_releases()
    return [
        name
        for name, now in states(folder.name, list(names)).items()
        if not now.active or now.stale or now.release != release or pointed.get(name) != release
    ]


def _program(pid: int) -> str:
    try:
        return os.readlink(processes.PROC / str(pid) / "exe")
    except OSError:
        # A container's root may not read the link of other accounts' processes, but every user may read the name.
        return processes.program(pid)


def _release_of(service: str, pid: int) -> str | None:
    # wsgi/run writes this file before it becomes the agent. The environment of a process may not be read everywhere.
    try:
        words = (RUN / service.removesuffix(".service") / "release").read_text(encoding="utf-8").split()
    except OSError:
        return None
    return words[1] if len(words) == 2 and words[0] == str(pid) else None
