"""Where the time of a run went: what a run has measured, and the lines that show it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.plugin_utils.console.text import printable

BETWEEN = "Between tasks: plays, roles and includes"
START = "Start of Ansible, and reading the playbooks"
STAT = Path("/proc/self/stat")


@dataclass
class Entry:
    """A task: its name, its seconds, how many hosts have done it, and its calls of modules with their seconds."""

    name: str
    seconds: float = 0.0
    hosts: int = 0
    calls: int = 0
    in_calls: float = 0.0


class Profile:
    """The tasks of a run. ``start``: seconds from the start of the process to the first task; 0 if not known."""

    def __init__(self, start: float) -> None:
        self.entries = {"": Entry(BETWEEN)}
        self.start = start
        self.at_work: Entry | None = None
        self.begun = 0.0

    def begin(self, name: str, identity: str, now: float) -> None:
        """End the task that is at work, and begin one. The same identity again goes on with the same task."""
        self.end(now)
        self.at_work = self.entries[""] if name == BETWEEN else self.entries.setdefault(identity, Entry(name))
        self.begun = now

    def end(self, now: float) -> None:
        """End the task that is at work."""
        if self.at_work is not None:
            self.at_work.seconds += now - self.begun
        self.at_work = None

    def done(self, identity: str) -> None:
        """Note that a host has done a task."""
        if identity in self.entries:
            self.entries[identity].hosts += 1

    def calls(self, calls: Iterable[tuple[str, float]]) -> None:
        """Note calls of modules: the identity of each one's task, and its seconds."""
        for identity, seconds in calls:
            entry = self.entries.get(identity, self.entries[""])
            entry.calls += 1
            entry.in_calls += seconds

    def lines(self, own: float, children: float) -> list[str]:
        """Return the lines for a person, the longest task first.

        own, children: seconds of processor time of ansible-playbook, and of the processes that did the tasks.
        """
        start = [Entry(START, self.start)] if self.start else []
        shown = sorted([*self.entries.values(), *start], key=lambda entry: -entry.seconds)
        total = Entry("All", *(sum(values) for values in zip(*(figures(entry) for entry in shown), strict=True)))
        skipped = sum(not entry.hosts and entry.name not in (BETWEEN, START) for entry in shown)
        return [
            "",
            "Where the time went: seconds, calls of modules, and the seconds of these calls",
            *(row(entry) for entry in [*shown, total] if entry.seconds >= 0.005 or entry.calls),
            f"  tasks that every host skipped: {skipped}",
            f"  processor time of the controller: {own + children:.2f} s, of it {own:.2f} s of ansible-playbook and"
            f" {children:.2f} s of the processes that did the tasks",
        ]


def figures(entry: Entry) -> tuple[float, int, int, float]:
    """Return what can be added up of a task."""
    return entry.seconds, entry.hosts, entry.calls, entry.in_calls


def row(entry: Entry) -> str:
    """Return the line of a task."""
    calls = f"{entry.calls:4} {entry.in_calls:7.2f}" if entry.calls else " " * 12
    return f"  {entry.seconds:7.2f} {calls}  {printable(entry.name)}"


def seconds_since_start() -> float:
    """Return for how long this process has run; 0 where Linux does not tell (field 22 of proc_pid_stat(5))."""
    try:
        ticks = int(STAT.read_text().rpartition(")")[2].split()[19])
    except OSError:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
