"""Clients of the Telemetry API: one group posts samples and keeps what was acknowledged, another one reads.

A request that fails is not repeated, so each counts.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

PORT = 8777
METER = "clients"
TIMEOUT = 30.0
"""Seconds for an answer."""
PAUSE = 0.1
"""Seconds between two requests of a client."""
WRITERS, READERS = 3, 1


@dataclass(frozen=True)
class Request:
    """A request. ``begin`` and ``end``: on this machine's clock, in seconds. ``outcome``: ok, or what was wrong."""

    kind: str
    begin: float
    end: float
    outcome: str


@dataclass
class Window:
    """What happened since a fault."""

    requests: list[Request]
    begin: float

    def failed(self, kind: str) -> list[Request]:
        return [one for one in self.requests if one.kind == kind and one.outcome != "ok"]

    def recovery(self) -> float:
        """Return the seconds from the fault until the last failed or slow request of it has ended; 0 without one."""
        late = [one.end for one in self.requests if one.outcome != "ok" or one.end - one.begin > 1]
        return max(late, default=self.begin) - self.begin

    def silence(self) -> float:
        """Return the longest time without a good answer, in seconds."""
        good = sorted([self.begin, *(one.end for one in self.requests if one.outcome == "ok")])
        return max((after - before for before, after in pairwise(good)), default=0.0)

    def __str__(self) -> str:
        """Return the figures in a sentence."""
        failed = {kind: self.failed(kind) for kind in ("post", "get")}
        counts = ", ".join(f"{len(ones)} {kind}" for kind, ones in failed.items())
        outcomes: dict[str, int] = {}
        for one in (*failed["post"], *failed["get"]):
            outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
        return (
            f"{len(self.requests)} requests, {counts} failed {outcomes or ''}; longest silence {self.silence():.1f} s;"
            f" recovered after {self.recovery():.1f} s"
        )


@dataclass
class Clients:
    """The clients of one address. ``acknowledged`` has the ids of the samples whose answer was 201."""

    address: str
    requests: list[Request] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    _done: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Clients]:
        """Let the clients work during the block."""
        self._done.clear()
        threads = [threading.Thread(target=self._work, args=("post", number)) for number in range(WRITERS)]
        threads += [threading.Thread(target=self._work, args=("get", number)) for number in range(READERS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._done.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def window(self) -> Iterator[Window]:
        """Yield the figures of a block, which are there afterwards."""
        window = Window([], time.monotonic())
        yield window
        end = time.monotonic()
        window.requests += [one for one in list(self.requests) if window.begin <= one.end <= end]

    def answered(self, since: float) -> int:
        """Return how many good answers to posted samples came since a time."""
        return sum(one.begin >= since and one.outcome == "ok" for one in list(self.requests) if one.kind == "post")

    def _work(self, kind: str, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._done.wait(PAUSE):
            begin = time.monotonic()
            connection = connection or http.client.HTTPConnection(self.address, PORT, timeout=TIMEOUT)
            try:
                outcome = self._post(connection, number) if kind == "post" else self._get(connection)
            except (OSError, http.client.HTTPException, ValueError) as error:
                outcome = type(error).__name__
                connection.close()
                connection = None
            self.requests.append(Request(kind, begin, time.monotonic(), outcome))
        if connection is not None:
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, number: int) -> str:
        sample = {
            "counter_name": METER,
            "counter_type": "gauge",
            "counter_unit": "request",
            "counter_volume": 1,
            "resource_id": f"client-{number}",
        }
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/v2/meters/{METER}", json.dumps([sample]).encode(), headers)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != http.client.CREATED:
            return str(answer.status)
        kept: list[dict[str, Any]] = json.loads(body)
        self.acknowledged.update(one["message_id"] for one in kept)
        return "ok"

    @staticmethod
    def _get(connection: http.client.HTTPConnection) -> str:
        connection.request("GET", f"/v2/meters/{METER}?limit=1")
        answer = connection.getresponse()
        answer.read()
        return "ok" if answer.status == http.client.OK else str(answer.status)
