"""What a run has done so far: plays, their steps, and what each step did on each host."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field

OK, CHANGED, FAILED, UNREACHABLE, SKIPPED = "ok", "changed", "failed", "unreachable", "skipped"


@dataclass
class Step:
    """A step of a play: one or several tasks that share a line.

    name: its title. number: its place among the play's steps, 0 where that is not known. started: seconds of a
    monotonic clock. hosts: those that have answered, with the outcome that matters. labels: items that changed.
    """

    name: str
    number: int
    started: float
    task: str = ""
    waiting: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, None] = field(default_factory=dict)
    shown: float = 0.0

    def of(self, outcome: str) -> list[str]:
        """Return the hosts with an outcome."""
        return [host for host, own in self.hosts.items() if own == outcome]

    @property
    def outcome(self) -> str:
        """The worst outcome of all hosts; ``skipped`` if none has done anything."""
        return next((each for each in (UNREACHABLE, FAILED, CHANGED, OK) if self.of(each)), SKIPPED)


@dataclass(frozen=True)
class Failure:
    """A failed task of a host. name: the task's own name, message: what the host answered, in full."""

    host: str
    step: str
    name: str
    message: str
    unreachable: bool = False


@dataclass
class Play:
    """A play. steps: the titles that are known when it begins. reports: whether its result is text alone."""

    name: str
    hosts: Sequence[str]
    steps: Sequence[str]
    reports: bool
    begun: bool = False


@dataclass
class Run:
    """The state of a run of a playbook. Times are seconds of a monotonic clock."""

    started: float
    play: Play | None = None
    step: Step | None = None
    plays: list[Play] = field(default_factory=list)
    changes: dict[str, Step] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    served: dict[str, list[str]] = field(default_factory=dict)
    ended: bool = False

    def begin_play(self, play: Play) -> None:
        """Begin a play. The caller has ended the step of the former one."""
        self.play = play
        self.plays.append(play)

    def begin_task(self, step: str, task: str, now: float) -> Step | None:
        """Begin a task, and return the step that ended with the former task, if the new one belongs to another."""
        ended = None
        if self.step is None or self.step.name != step:
            ended = self.end_step()
            known = list(self.play.steps) if self.play else []
            self.step = Step(step, known.index(step) + 1 if step in known else 0, now, shown=now)
        self.step.task = task
        self.step.waiting = {}
        return ended

    def end_step(self) -> Step | None:
        """End the step that is at work, and return it."""
        ended, self.step = self.step, None
        if ended is not None and ended.of(CHANGED):
            known = self.changes.setdefault(ended.name, dataclasses.replace(ended, hosts={}, labels={}))
            known.hosts |= dict.fromkeys(ended.of(CHANGED), CHANGED)
            known.labels |= ended.labels
        return ended

    def host_started(self, host: str) -> None:
        """Note that a host works on the task."""
        if self.step is not None:
            self.step.waiting[host] = None

    def host_ended(self, host: str, outcome: str) -> None:
        """Note what the task did on a host. A later task of the step hides no change, failure or answer before it."""
        if self.step is None:
            return
        self.step.waiting.pop(host, None)
        order = [SKIPPED, OK, CHANGED, FAILED, UNREACHABLE]
        former = self.step.hosts.get(host, SKIPPED)
        self.step.hosts[host] = max(former, outcome, key=order.index)

    def item_changed(self, label: str) -> None:
        """Note an item of a loop that changed."""
        if self.step is not None:
            self.step.labels[label] = None

    def failed(self, host: str, message: str, *, unreachable: bool = False) -> None:
        """Note a failure of the task on a host."""
        step = self.step or Step("", 0, 0.0)
        self.failures.append(Failure(host, step.name, step.task, message, unreachable))
        self.host_ended(host, UNREACHABLE if unreachable else FAILED)

    def report(self, host: str, lines: Sequence[str]) -> None:
        """Keep what a host serves, for the end of the run."""
        own = self.served.setdefault(host, [])
        own += [line for line in lines if line not in own]

    def every_host(self) -> list[str]:
        """Return the hosts of all plays, in the order of the inventory."""
        return list(dict.fromkeys(host for play in self.plays if play.begun for host in play.hosts))

    def put_in_order(self) -> None:
        """Put what hosts serve, and their failures, into the order of the inventory."""
        order = {host: number for number, host in enumerate(self.every_host())}
        self.served = dict(sorted(self.served.items(), key=lambda item: order.get(item[0], len(order))))
        self.failures.sort(key=lambda failure: order.get(failure.host, len(order)))

    @property
    def reports(self) -> bool:
        """Whether the run's result is text alone: every play with hosts reports."""
        begun = [play for play in self.plays if play.begun]
        return bool(begun) and all(play.reports for play in begun)
