"""What an agent does now, as systemd, its process and its workers show it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.agents.units import AgentError, unit
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes

PROPERTIES = "ActiveState,SubState,MainPID,NRestarts,NeedDaemonReload"
RUN = Path("/run")
LEASE = re.compile(r"(\d{1,10}) (starts|waits|runs|away) ([A-Za-z0-9.-]{1,64}) (\d{1,10})\n?")
"""What the program that runs an agent on one host of several writes (wsgi/grove_runtime/lease.py)."""
LEASE_BYTES = 200
"""More than the file has. The application's account writes it."""


@dataclass(frozen=True)
class Lease:
    """What an agent does of which one instance runs on several hosts.

    word: ``starts``, ``waits``, ``runs``, or ``away`` while the database cannot be used. host: the one that runs the
    agent; empty where that is not known. pid: the agent's process on this host; 0 if it does not run here.
    """

    word: str
    host: str
    pid: int

    @property
    def is_up(self) -> bool:
        """Whether the agent runs here and is ready, or runs on another host."""
        return self.word in ("waits", "runs")


@dataclass(frozen=True)
class State:
    """Whether an agent is up, its process, how often systemd has restarted it, and the release that it runs.

    ``stale`` says that its unit has changed since systemd has read it. ``workers`` are processes that it has forked;
    only ``with_workers`` fills them in. ``lease`` is None for an agent that runs on each host.
    """

    active: bool
    stale: bool
    pid: int
    restarts: int
    release: str | None
    workers: frozenset[int] = frozenset()
    lease: Lease | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the agent is up, here or where its lease is."""
        return self.active and (self.lease is None or self.lease.is_up)


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
        lease=_lease_of(service, pid),
    )


def with_workers(actual: State, children: Mapping[int, Collection[int]]) -> State:
    """Return a state with its workers; ``children`` are the processes of this host by their parents."""
    own = actual.lease.pid if actual.lease else actual.pid
    return replace(actual, workers=workers_of(own, children.get(own, ())))


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


def _lease_of(service: str, pid: int) -> Lease | None:
    try:
        with open(RUN / service.removesuffix(".service") / "lease", encoding="utf-8", errors="replace") as stream:
            found = LEASE.fullmatch(stream.read(LEASE_BYTES))
    except OSError:
        return None
    if not found or int(found[1]) != pid:
        return None
    return Lease(found[2], "" if found[3] == "-" else found[3], int(found[4]))


def _release_of(service: str, pid: int) -> str | None:
    # wsgi/run writes this file before it becomes the agent. The environment of a process may not be read everywhere.
    try:
        words = (RUN / service.removesuffix(".service") / "release").read_text(encoding="utf-8").split()
    except OSError:
        return None
    return words[1] if len(words) == 2 and words[0] == str(pid) else None
