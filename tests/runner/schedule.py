"""Jobs side by side: the tests of each part in a process of their own, as many at once as the machine has room for."""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait

import pytest

from runner import child, isolation, packages
from runner.parts import COSTS, LOGS, SCENARIOS, Cost


@dataclass
class Job:
    """Tests that run one after the other in one process.

    ``part`` is the name of their part; ``packages`` are the Debian packages that they need.
    """

    name: str
    part: str
    items: list[pytest.Item] = field(default_factory=list)
    packages: set[str] = field(default_factory=set)
    process: child.Child | None = None
    events: list[child.Event] = field(default_factory=list)

    @property
    def cost(self) -> Cost:
        """What the job needs of the machine."""
        return COSTS.get(self.name, Cost())


@dataclass
class Timing:
    """When a part began and ended (monotonic seconds), and how many of its tests passed, failed and were skipped."""

    started: float
    ended: float = 0.0
    outcomes: dict[str, int] = field(default_factory=dict)


def in_order(jobs: list[Job]) -> list[Job]:
    """Return the jobs in the order of their starts: unit tests, long jobs, short jobs, jobs that run alone."""
    return sorted(jobs, key=lambda job: (job.part != "unit", job.cost.alone, -job.cost.seconds))


def choose(waiting: list[Job], running: list[Job], at_once: int, memory: float) -> list[Job]:
    """Return the waiting jobs that can start now, beside those that run.

    At most ``at_once`` jobs run and need at most ``memory`` gigabytes together; a job that needs more runs by itself.
    """
    beside = list(running)
    chosen = []
    for job in waiting:
        if len(beside) >= at_once or any(other.cost.alone for other in beside):
            break
        used = sum(other.cost.memory for other in beside)
        if not beside or (not job.cost.alone and used + job.cost.memory <= memory):
            beside.append(job)
            chosen.append(job)
    return chosen


class Schedule:
    """Starts the jobs, shows their reports, and stops them all when the session ends early."""

    def __init__(self, session: pytest.Session, jobs: list[Job], at_once: int) -> None:
        """``at_once`` is the largest number of jobs that run at the same time."""
        self.timings: dict[str, Timing] = {}
        self._session = session
        self._terminal = session.config.pluginmanager.getplugin("terminalreporter")
        self._at_once = at_once
        self._memory = _free_memory()
        self._waiting = in_order(jobs)
        self._running: list[Job] = []
        self._several = len(jobs) > 1

    def run(self) -> None:
        """Run all jobs.

        Raises Session.Failed or Session.Interrupted when the session ends early, as pytest's own loop does.
        """
        session = self._session
        # Without this call, each child would make a folder of its own.
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        missing = packages.missing({name for job in self._waiting for name in job.packages})
        if missing:
            self._start(Job("packages", "packages"), functools.partial(packages.install, missing))
        try:
            while self._waiting or self._running:
                for job in self._next(bool(missing)):
                    self._waiting.remove(job)
                    self._start(job, functools.partial(_run_items, session, job))
                wait([job.process.connection for job in self._running if job.process])
                for job in list(self._running):
                    self._receive(job)
                    if session.shouldfail:
                        raise session.Failed(session.shouldfail)
                    if session.shouldstop:
                        raise session.Interrupted(session.shouldstop)
                if missing and not any(job.name == "packages" for job in self._running):
                    missing = []
        finally:
            processes = [job.process for job in self._running if job.process]
            for process in processes:
                process.interrupt()
            for process in processes:
                process.wait()

    def _next(self, packages_missing: bool) -> list[Job]:
        ready = [job for job in self._waiting if not (packages_missing and job.packages)]
        return choose(ready, self._running, self._at_once, self._memory)

    def _start(self, job: Job, work: functools.partial[None]) -> None:
        job.process = child.Child(self._session, work)
        self._running.append(job)
        self.timings.setdefault(job.part, Timing(job.process.started))
        if job.name in SCENARIOS:
            self._print(f"{job.name}: started, {LOGS / job.name}.log")
        elif self._several:
            self._print(f"{job.name}: started")

    def _receive(self, job: Job) -> None:
        assert job.process
        events = job.process.receive()
        for event in events:
            self._count(job, event)
        job.events += events
        if job.process.ended:
            self._running.remove(job)
            self.timings[job.part].ended = job.process.ended
            if self._several:
                end = "failed" if any(_failed(event) for event in job.events) else "done"
                self._print(f"{job.name}: {end} after {job.process.ended - job.process.started:.0f} s")
        # The lines of several jobs would mix, so the reports of a job are shown when it has ended.
        if job.process.ended or not self._several:
            self._show(job.events)
            job.events.clear()

    def _show(self, events: list[child.Event]) -> None:
        for event in events:
            if event[0] == "failed":
                self._session.shouldfail = f"a part of the tests could not run: {event[1][0]}"
            else:
                child.replay(self._session.config, event)

    def _count(self, job: Job, event: child.Event) -> None:
        if event[0] == "logreport":
            outcome, phase = event[1][0]["outcome"], event[1][0]["when"]
            if phase == "call" or outcome != "passed":
                counts = self.timings[job.part].outcomes
                counts[outcome] = counts.get(outcome, 0) + 1

    def _print(self, line: str) -> None:
        if self._terminal:
            if self._terminal._tw.width_of_current_line:
                self._terminal.write_line("")
            self._terminal.write_line(line)


def _failed(event: child.Event) -> bool:
    return event[0] == "failed" or (event[0] == "logreport" and event[1][0]["outcome"] == "failed")


def default_at_once() -> int:
    """Return how many jobs run at the same time: one more than there are cores, since jobs also wait."""
    return len(os.sched_getaffinity(0)) + 1


def table(timings: dict[str, Timing]) -> list[str]:
    """Return one line for each part, in the order of their beginnings: its time, its start and its outcomes."""
    if not timings:
        return []
    first = min(timing.started for timing in timings.values())
    lines = [f"{'part':<22}{'begins':>8}{'takes':>8}  tests"]
    for part, timing in sorted(timings.items(), key=lambda item: item[1].started):
        ended = timing.ended or time.monotonic()
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(timing.outcomes.items()))
        state = counts if timing.ended else f"{counts or 'no test'}, stopped"
        lines.append(f"{part:<22}{_clock(timing.started - first):>8}{_clock(ended - timing.started):>8}  {state}")
    last = max(timing.ended or time.monotonic() for timing in timings.values())
    return [*lines, f"{'all':<22}{_clock(0):>8}{_clock(last - first):>8}"]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _run_items(session: pytest.Session, job: Job, sender: child.Sender) -> None:
    if job.part == "unit":
        try:
            isolation.enter(session.config._tmp_path_factory.getbasetemp() / "home")  # type: ignore[attr-defined]
            sender.hint = "without root, network, compiler and Apache; a test that needs one belongs to tests/system"
        except OSError as error:
            sender.warn(f"the unit tests run with what this process may do: {error}")
    child.run_items(session, job.items)


def _free_memory() -> float:
    """Return the gigabytes of memory that are free or can be freed."""
    with open("/proc/meminfo") as file:
        values = dict(line.split(":") for line in file)
    return int(values["MemAvailable"].split()[0]) / 1e6
