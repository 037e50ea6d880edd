"""Puts together what a scrape is answered with. Each part that cannot be read is left out, and the others are there."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from . import apache, apps, processes, requests, settings, telemetry

SLOT = ("app", "slot", "release")
FIRST = (200, 500, 502, 503, 504)
"""Statuses that each slot has from the start, with 0: Prometheus sees no growth in a series that begins later."""
UNKNOWN, DIED = "unknown", "died"
"""Why a process has ended. With mod_wsgi 4 nobody tells that. With mod_wsgi 6, a process that tells nothing was killed
or has crashed."""


@dataclass
class Seen:
    """A process of a slot as it was seen last, and the release that its slot pointed to when it was seen first."""

    slot: apps.Slot
    release: str
    process: processes.Process


@dataclass
class Past:
    """What is remembered from scrape to scrape, so that counters go on when processes end."""

    seen: dict[tuple[int, int], Seen] = field(default_factory=dict)
    cpu: dict[tuple[str, str, str], float] = field(default_factory=dict)
    starts: dict[tuple[str, str], int] = field(default_factory=dict)
    ends: dict[tuple[str, str, str], int] = field(default_factory=dict)
    started: set[int] = field(default_factory=set)
    complaints: dict[str, str] = field(default_factory=dict)


class Collector:
    """Reads all parts for a scrape. One scrape is answered at a time."""

    def __init__(self, chosen: settings.Settings) -> None:
        self.settings = chosen
        self.told = telemetry.Everything()
        self.past = Past()
        self.lock = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Return no description: prometheus_client would otherwise collect when it starts."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return all metrics."""
        with self.lock:
            up = GaugeMetricFamily(
                "grove_part_up", "Whether a part of the metrics could be read (0 or 1).", labels=["part"]
            )
            parts: dict[str, Callable[[], list[Metric]]] = {
                "requests": self._requests,
                "apps": self._apps,
                "processes": self._processes,
                "telemetry": self._telemetry,
            }
            yield from self._apache()
            for name, read in parts.items():
                metrics, problem = [], ""
                try:
                    metrics = read()
                except (OSError, ValueError, KeyError) as error:
                    problem = f"{type(error).__name__}: {error}"
                self.complain(name, problem)
                up.add_metric([name], 0 if problem else 1)
                yield from metrics
            yield up

    def complain(self, part: str, problem: str) -> None:
        """Say in the journal why a part is missing, and when it is there again; once, and not with each scrape."""
        if problem != self.past.complaints.get(part, ""):
            print(f"{part}: {problem or 'can be read again'}", flush=True)
        self.past.complaints[part] = problem

    def may_send(self, pid: int, group: str) -> bool:
        """Return whether a process is one of Apache's that runs as the account of a process group."""
        parent = processes.parent(self.settings.pid_file, self.settings.program)
        process = processes.read(pid, parent) if parent else None
        if process is None:
            return False
        try:
            return any(slot.group == group and slot.user == process.user for slot in self._slots())
        except (OSError, ValueError):
            return False

    def _slots(self) -> list[apps.Slot]:
        return apps.slots(requests.read(self.settings.requests).configured)

    def _requests(self) -> list[Metric]:
        contents = requests.read(self.settings.requests)
        total = CounterMetricFamily("grove_requests", "Requests that were answered.", labels=[*SLOT, "status"])
        whole = HistogramMetricFamily(
            "grove_request_seconds",
            "Seconds from the first byte of a request to the last one of its answer.",
            labels=SLOT,
        )
        queue = HistogramMetricFamily(
            "grove_request_queue_seconds", "Seconds that a request waited for a thread of the application.", labels=SLOT
        )
        application = HistogramMetricFamily(
            "grove_request_application_seconds", "Seconds until the application began to answer.", labels=SLOT
        )
        numbers = {(one.app, one.slot, one.release): dict(one.statuses) for one in contents.counted}
        for slot in apps.slots(contents.configured):
            for release in ("", apps.release(self.settings.base, slot)):
                known = numbers.setdefault((slot.app, slot.slot, release), {})
                known.update({status: known.get(status, 0) for status in FIRST})
        for key, statuses in numbers.items():
            for status, number in statuses.items():
                total.add_metric([*key, str(status)], number)
        for one in contents.counted:
            labels = [one.app, one.slot, one.release]
            for family, times in ((whole, one.whole), (queue, one.queue), (application, one.application)):
                if any(times.buckets):
                    family.add_metric(labels, _cumulative(times), times.seconds)
        without_place = CounterMetricFamily(
            "grove_requests_lost", "Requests that the counters had no place for.", value=contents.lost
        )
        return [total, whole, queue, application, without_place]

    def _apache(self) -> list[Metric]:
        chosen = self.settings
        metrics = [
            _gauge(
                "grove_apache_workers_limit", "Requests that Apache serves at once (MaxRequestWorkers).", chosen.workers
            ),
            _gauge(
                "grove_apache_connections_limit",
                "Connections that Apache holds while workers are idle.",
                chosen.connections,
            ),
        ]
        up = _gauge("grove_apache_up", "Whether Apache answered with its status within 2 seconds (0 or 1).", 0)
        try:
            numbers = apache.status(chosen.door, chosen.credential)
        except apache.StatusError as error:
            self.complain("apache", str(error))
            return [*metrics, up]
        self.complain("apache", "")
        up = _gauge("grove_apache_up", "Whether Apache answered with its status within 2 seconds (0 or 1).", 1)
        workers = GaugeMetricFamily("grove_apache_workers", "Workers of Apache.", labels=["state"])
        for state, name in (("busy", "BusyWorkers"), ("idle", "IdleWorkers"), ("ending", "GracefulWorkers")):
            if name in numbers:
                workers.add_metric([state], numbers[name])
        connections = GaugeMetricFamily("grove_apache_connections", "Open connections.", labels=["state"])
        for state, name in (
            ("writing", "ConnsAsyncWriting"),
            ("kept_alive", "ConnsAsyncKeepAlive"),
            ("closing", "ConnsAsyncClosing"),
        ):
            if name in numbers:
                connections.add_metric([state], numbers[name])
        # The status has the sum of all connections, those that a worker is at work on included.
        known = sum(numbers.get(name, 0) for name in ("ConnsAsyncWriting", "ConnsAsyncKeepAlive", "ConnsAsyncClosing"))
        connections.add_metric(["worker"], max(0, numbers.get("ConnsTotal", known) - known))
        uptime = numbers.get("ServerUptimeSeconds", numbers.get("Uptime", 0))
        return [
            *metrics,
            up,
            workers,
            connections,
            _gauge("grove_apache_processes", "Processes of Apache that serve clients.", numbers.get("Processes", 0)),
            _gauge(
                "grove_apache_processes_stopping",
                "Processes that end after their last request.",
                numbers.get("Stopping", 0),
            ),
            _gauge("grove_apache_uptime_seconds", "Seconds since Apache was started.", uptime),
            CounterMetricFamily("grove_apache_reloads", "Reloads since then.", value=_reloads(numbers)),
        ]

    def _apps(self) -> list[Metric]:
        info = GaugeMetricFamily(
            "grove_slot_info", "What a slot runs, and its role: live or idle.", labels=[*SLOT, "role"]
        )
        share = GaugeMetricFamily("grove_slot_share", "The slot's part of the requests, from 0 to 1.", labels=SLOT)
        allowed = GaugeMetricFamily("grove_slot_processes_limit", "Processes that the slot has to have.", labels=SLOT)
        threads = GaugeMetricFamily(
            "grove_slot_threads_limit", "Requests that the slot may serve at once.", labels=SLOT
        )
        for slot in self._slots():
            shares = apps.shares(self.settings.base, slot.app)
            labels = [slot.app, slot.slot, apps.release(self.settings.base, slot)]
            info.add_metric([*labels, "live" if shares and shares[0] == slot.slot else "idle"], 1)
            share.add_metric(labels, shares.count(slot.slot) / len(shares) if shares else 0)
            allowed.add_metric(labels, slot.processes)
            threads.add_metric(labels, slot.processes * slot.threads)
        return [info, share, allowed, threads]

    def _processes(self) -> list[Metric]:
        self._look_at_processes()
        number = GaugeMetricFamily("grove_slot_processes", "Processes of the slot.", labels=SLOT)
        memory = GaugeMetricFamily("grove_slot_memory_bytes", "Memory that is the processes' own.", labels=SLOT)
        busy = GaugeMetricFamily(
            "grove_slot_threads_busy", "Requests that the slot's threads are at work on.", labels=SLOT
        )
        cpu = CounterMetricFamily(
            "grove_slot_cpu_seconds", "Seconds of processors that the slot has used.", labels=SLOT
        )
        starts = CounterMetricFamily("grove_slot_process_starts", "Processes that were started.", labels=SLOT[:2])
        ends = CounterMetricFamily(
            "grove_slot_process_ends", "Processes that ended, by reason.", labels=[*SLOT[:2], "reason"]
        )
        told, _ = self.told.look()
        silent = time.monotonic() - settings.FRESH_INTERVALS * self.settings.interval
        sums: dict[tuple[str, str, str], list[float]] = {}
        heard: dict[tuple[str, str, str], float] = {}
        used = dict(self.past.cpu)
        for (pid, _), one in self.past.seen.items():
            key = (one.slot.app, one.slot.slot, one.release)
            total = sums.setdefault(key, [0, 0])
            total[0] += 1
            total[1] += one.process.memory
            used[key] = used.get(key, 0) + one.process.cpu_seconds
            known = told.get(pid)
            if known and known.busy is not None and known.heard > silent:
                heard[key] = heard.get(key, 0) + known.busy
        for key, (count, size) in sums.items():
            number.add_metric(key, count)
            memory.add_metric(key, size)
        for key, value in used.items():
            cpu.add_metric(key, value)
        for key, value in heard.items():
            busy.add_metric(key, value)
        for (app, slot), count in self.past.starts.items():
            starts.add_metric([app, slot], count)
        for labels, count in self.past.ends.items():
            ends.add_metric(labels, count)
        return [number, memory, busy, cpu, starts, ends]

    def _look_at_processes(self) -> None:
        """Compare the processes of all slots with those of the last look."""
        past = self.past
        slots = self._slots()
        by_group = {slot.group: slot for slot in slots}
        for slot in slots:
            past.starts.setdefault((slot.app, slot.slot), 0)
            past.ends.setdefault((slot.app, slot.slot, DIED), 0)
        for pid, group in self.told.take_starts():
            if group in by_group and pid not in past.started:
                self._count_start(pid, by_group[group])
        parent = processes.parent(self.settings.pid_file, self.settings.program)
        told, _ = self.told.look()
        now: dict[tuple[int, int], Seen] = {}
        for process in processes.children(parent) if parent else []:
            key = (process.pid, process.start)
            known = past.seen.get(key)
            if known is None:
                group = told[process.pid].group if process.pid in told else ""
                found = _slot_of(process, group, [slot for slot in slots if slot.user == process.user])
                if found is None:
                    continue
                known = Seen(found, apps.release(self.settings.base, found), process)
                if process.pid not in past.started:
                    self._count_start(process.pid, found)
            now[key] = Seen(known.slot, known.release, process)
        alive = {pid for pid, _ in now}
        for key, gone in past.seen.items():
            if key not in now:
                place = (gone.slot.app, gone.slot.slot, gone.release)
                past.cpu[place] = past.cpu.get(place, 0) + gone.process.cpu_seconds
                # A number that a new process has is the new one's.
                last = told.get(key[0]) if key[0] not in alive else None
                self._count_end(gone.slot, (last.reason or DIED) if last else UNKNOWN)
        ended_before = {pid for pid, _ in past.seen}
        for pid in set(told) - alive:
            if processes.read(pid) is None:
                group = told[pid].group
                # A process that has come and gone between two scrapes.
                if pid not in ended_before and group in by_group:
                    self._count_end(by_group[group], told[pid].reason or DIED)
                self.told.forget(pid)
        past.seen = now
        past.started &= alive

    def _count_start(self, pid: int, slot: apps.Slot) -> None:
        self.past.started.add(pid)
        self.past.starts[slot.app, slot.slot] = self.past.starts.get((slot.app, slot.slot), 0) + 1

    def _count_end(self, slot: apps.Slot, reason: str) -> None:
        end = (slot.app, slot.slot, reason)
        self.past.ends[end] = self.past.ends.get(end, 0) + 1

    def _telemetry(self) -> list[Metric]:
        told, refused = self.told.look()
        return [
            _gauge("grove_telemetry_processes", "Processes from which mod_wsgi has told numbers.", len(told)),
            CounterMetricFamily("grove_telemetry_refused", "Datagrams that did not count.", value=refused),
        ]


def _slot_of(process: processes.Process, group: str, slots: list[apps.Slot]) -> apps.Slot | None:
    """Return which of its account's slots a process is of: its group says so, or the title that mod_wsgi gives it."""
    for slot in slots:
        if slot.group == group:
            return slot
    for slot in slots:
        if not group and len(process.title) > len("b-") and slot.title.startswith(process.title):
            return slot
    return None


def _cumulative(times: requests.Times) -> list[tuple[str, float]]:
    """Return the buckets of a histogram as Prometheus has them: each with all the smaller ones."""
    names = [*map(str, requests.BOUNDS), "+Inf"]
    return [(names[place], float(total)) for place, total in enumerate(itertools.accumulate(times.buckets))]


def _reloads(numbers: dict[str, float]) -> float:
    """Return how often Apache was reloaded: it counts its first configuration, too."""
    return max(0, numbers.get("ParentServerConfigGeneration", 1) - 1)


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(name, description, value=value)
