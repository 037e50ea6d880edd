"""Restarting agents in a release, all at once, and waiting until each has stayed up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.module_utils.agents import limits
from ansible_collections.grove.wsgi.plugins.module_utils.agents.description import of_release, settle_seconds
from ansible_collections.grove.wsgi.plugins.module_utils.agents.state import (
    State,
    outdated,
    state,
    states,
    with_workers,
)
from ansible_collections.grove.wsgi.plugins.module_utils.agents.units import AgentError, installed, systemctl, unit
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.host.accounts import without_passwords


@dataclass(frozen=True)
class Change:
    """Agents of an application that are to run a release."""

    folder: AppFolder
    release: str
    names: Collection[str]


def restart(change: Change, seconds: float) -> None:
    """Restart the agents of one application and wait until each has stayed up.

    Raises AgentError if an agent has not stayed up within ``seconds``; systemd continues to restart it.
    """
    start(change)
    for problem in wait([change], seconds).values():
        raise AgentError(problem)


def start(change: Change) -> None:
    """Restart agents in a release, without waiting for them. Raises AgentError when systemd refuses."""
    if not change.names:
        return
    for name in change.names:
        change.folder.point_agent(name, change.release)
    units = [unit(change.folder.name, name) for name in change.names]
    keep_leases(change)
    systemctl("daemon-reload")
    systemctl("enable", "--quiet", *units)
    systemctl("reset-failed", *units)
    systemctl("restart", "--no-block", *units)


def keep_leases(change: Change) -> None:
    """Let agents that have the lease of several hosts keep it for this host while they are restarted.

    So a change interrupts such an agent once, and this host learns whether it stays up. Raises AgentError.
    """
    for now in states(change.folder.name, list(change.names)).values():
        if now.lease and now.lease.pid:
            # wsgi/grove_runtime/lease.py knows the signal.
            with contextlib.suppress(ProcessLookupError):
                os.kill(now.pid, signal.SIGUSR1)


@dataclass
class Watch:
    """An agent that is waited for: what it did at the last look, since when, and how often it has ended."""

    change: Change
    name: str
    settle: float
    state: State | None = None
    since: float = 0.0
    endings: int = 0

    def look(self, children: Mapping[int, Collection[int]]) -> bool:
        """Look at the agent once; return whether it has stayed up, with its workers, for as long as it has to.

        ``children`` are the processes of this host by their parents.
        """
        now, moment = with_workers(state(self.change.folder.name, self.name), children), time.monotonic()
        last = self.state or now
        # The process that is replaced ends its workers because it was told to.
        lost_worker = now.release == self.change.release and last.pid == now.pid and bool(last.workers - now.workers)
        self.endings += max(now.restarts - last.restarts, int(lost_worker))
        up = now.is_ready and now.release == self.change.release
        if self.state is None or not up or (last.pid, last.workers) != (now.pid, now.workers):
            self.state, self.since = now, moment
        return up and moment - self.since >= self.settle

    @property
    def hopeless(self) -> bool:
        """Whether the agent has ended so often that it will not stay up, or ended here and runs on another host."""
        moved = self.state is not None and self.state.lease is not None and self.state.lease.word == "waits"
        return self.endings >= (1 if moved else limits.ENDINGS)


def wait(changes: Iterable[Change], seconds: float) -> dict[str, str]:
    """Wait until each agent and its workers have stayed up. A program may restart failing workers for ever.

    Returns the problem of each application whose agents have not within ``seconds``, as text for the operator.
    """
    begun = time.monotonic()
    waiting = [
        Watch(change, name, settle_seconds(change.folder, change.release, name))
        for change in changes
        for name in change.names
    ]
    hopeless: list[Watch] = []
    while waiting and time.monotonic() - begun < seconds:
        time.sleep(limits.POLL_SECONDS)
        # Once for all agents: on the host of a control plane, each reading of the process table takes long.
        children = processes.children_by_parent()
        waiting = [watch for watch in waiting if not watch.look(children)]
        hopeless += [watch for watch in waiting if watch.hopeless]
        waiting = [watch for watch in waiting if not watch.hopeless]
    problems: dict[str, list[str]] = {}
    for watch in [*hopeless, *waiting]:
        problem = _problem(watch, time.monotonic() - begun)
        problems.setdefault(watch.change.folder.name, []).append(problem)
    return {app: "\n".join(each) for app, each in problems.items()}


def follow(folder: AppFolder, release: str, seconds: float = limits.RESTART_SECONDS) -> list[str]:
    """Let all agents that have a unit here run the release that went live; return those that were restarted.

    Raises AgentError for those that have not stayed up within ``seconds``.
    """
    present = installed(folder.name)
    late = outdated(folder, release, [name for name in of_release(folder, release) if name in present])
    restart(Change(folder, release, late), seconds)
    return late


def _problem(watch: Watch, seconds: float) -> str:
    name = unit(watch.change.folder.name, watch.name)
    command = ["journalctl", "--quiet", "--no-pager", "--output=cat", f"--lines={limits.LOG_LINES}", "--unit", name]
    log = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False).stdout.strip()
    return (
        f"key agents.{watch.name}: {name} did not stay up for {watch.settle:.0f} s within {seconds:.0f} s:\n"
        f"{without_passwords(log)}"
    )
