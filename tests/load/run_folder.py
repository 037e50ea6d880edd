"""The folder with a run's data, and the rows of its files. A row is one line of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

KEEP_ALIVE, FRESH = "keep-alive", "fresh"
SLOW, STREAM, UPLOAD, WAITING = "slow", "stream", "upload", "waiting"
FAST_KINDS = (KEEP_ALIVE, FRESH)
SLOW_KINDS = (SLOW, STREAM, UPLOAD, WAITING)
CLIENT_KINDS = FAST_KINDS + SLOW_KINDS
MARK_KINDS = ("switch", "rollback", "fault", "reload", "note")
OK, MIXED, STATUS, TIMEOUT = "ok", "mixed", "status", "timeout"


@dataclass(frozen=True)
class Sample:
    """One request: its client, when it began, how many seconds it took, and how it ended.

    ``begun`` is in seconds of the monotonic clock, ``wall`` in seconds since 1970. ``outcome`` is ok, mixed, status,
    timeout or a kind of ExchangeError. ``release`` is the release that the answer named; several are joined by /.
    ``sleep`` is the number of seconds that the request takes at least, because the application or the client waits.
    """

    kind: str
    client: int
    begun: float
    wall: float
    seconds: float
    outcome: str
    release: str = ""
    status: int = 0
    process: int = 0
    sleep: float = 0.0
    retried: bool = False
    detail: str = ""

    @property
    def ended(self) -> float:
        return self.begun + self.seconds


@dataclass(frozen=True)
class Mark:
    """An event that a caller noted in the run: ``edge`` is begin, end or at; times are in seconds as in Sample."""

    edge: str
    kind: str
    label: str
    at: float
    wall: float


@dataclass(frozen=True)
class Connections:
    """Counts of kept-alive connections.

    ``opened``: all. ``announced``: the server closed them with its last answer, and said so in it. ``closed_idle``:
    they were closed before the next request was sent. ``retried``: they were closed after the request was sent and
    before any byte of the answer, so the request was sent again on a new connection. ``retry_idle``: for how many
    seconds each of the first 50 of these had been idle.
    """

    opened: int = 0
    announced: int = 0
    closed_idle: int = 0
    retried: int = 0
    retry_idle: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """The run as a whole: its target, when it began and ended, its settings, and the client's own delays.

    ``client_delays`` holds, for each second of the run, the longest delay of the client's own event loop, in seconds.
    """

    target: str
    begun: float
    wall: float
    ended: float
    clients: dict[str, int]
    pause: float
    timeout: float
    stopped_by: str
    connections: Connections
    client_delays: list[float]


@dataclass(frozen=True)
class RunFolder:
    """The files of a run."""

    path: Path

    @property
    def samples(self) -> Path:
        return self.path / "samples.jsonl"

    @property
    def marks(self) -> Path:
        return self.path / "marks.jsonl"

    @property
    def run(self) -> Path:
        return self.path / "run.json"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def clear(self) -> None:
        """Remove the files of an earlier run."""
        for path in (self.samples, self.marks, self.run, self.summary, self.report):
            path.unlink(missing_ok=True)

    def mark(self, edge: str, kind: str, label: str) -> None:
        """Add a mark with the present time. On Linux all processes of a machine share the monotonic clock."""
        if kind not in MARK_KINDS or edge not in ("begin", "end", "at"):
            raise ValueError(f"no such mark: {edge} {kind} (kinds: {', '.join(MARK_KINDS)}; edges: begin, end, at)")
        row = json.dumps(asdict(Mark(edge, kind, label, time.monotonic(), time.time()))) + "\n"
        descriptor = os.open(self.marks, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, row.encode())
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def window(self, kind: str, label: str) -> Iterator[None]:
        """Mark the beginning and the end of the block."""
        self.mark("begin", kind, label)
        try:
            yield
        finally:
            self.mark("end", kind, label)

    def read_marks(self) -> list[Mark]:
        if not self.marks.exists():
            return []
        return [Mark(**json.loads(line)) for line in self.marks.read_text().splitlines()]

    def read_samples(self) -> list[Sample]:
        """Return the samples in the order in which the requests began."""
        with self.samples.open() as lines:
            samples = [Sample(**json.loads(line)) for line in lines]
        return sorted(samples, key=lambda sample: sample.begun)

    def read_run(self) -> Run:
        content = json.loads(self.run.read_text())
        return Run(**{**content, "connections": Connections(**content["connections"])})
