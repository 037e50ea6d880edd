"""The clients: keep-alive, one connection a request, and several kinds of slow requests, all at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import random
import signal
import time
from dataclasses import asdict, dataclass, field, replace
from typing import IO

import h11

from .http1 import MALFORMED, Answer, Connection, ExchangeError, Target
from .run_folder import (
    FRESH,
    KEEP_ALIVE,
    MIXED,
    OK,
    SLOW,
    SLOW_KINDS,
    STATUS,
    STREAM,
    TIMEOUT,
    UPLOAD,
    WAITING,
    Connections,
    Run,
    RunFolder,
    Sample,
)

PLACES = ("code", "virtualenv", "configuration", "late")
"""The four places in which an answer of the application names its release."""
AFTER_FAILURE = 0.1
"""Seconds that a client waits after a failure, so that it does not ask a server that is down in a tight loop."""
UPLOAD_PIECE = b"x" * 8192
UPLOAD_PAUSE = 0.25
"""Seconds between two pieces of an upload."""
FIRST_RETRIES = 50
"""The run's data names the idle seconds before this many retries."""


@dataclass(frozen=True)
class Settings:
    """How much load to put on the target: the clients of each kind, their pause, and the limits of the whole run.

    ``pause`` is in seconds, between two requests of one client. ``timeout`` is in seconds, from connecting to the last
    byte of the answer. A slow request asks the application to sleep for between ``slow[0]`` and ``slow[1]`` seconds. An
    answer to ``streams`` and the body of ``uploads`` take so long, and ``waiting`` clients wait so long between
    connection and request. These seconds are added to the ``timeout``.
    """

    keep_alive: int = 4
    fresh: int = 4
    slow_clients: int = 8
    streams: int = 0
    uploads: int = 0
    waiting: int = 0
    pause: float = 0.02
    timeout: float = 30.0
    slow: tuple[float, float] = (1.0, 8.0)
    seconds: float = 60.0
    requests: int = 200_000
    seed: int = 1


@dataclass
class _Exchange:
    """The result of one request before ``assess`` has read the answer. ``sent`` is the length of the request's body."""

    answer: Answer | None = None
    error: ExchangeError | None = None
    retried: bool = False
    sent: int | None = None


@dataclass
class Load:
    """One run against ``target``, written to ``folder``."""

    target: Target
    folder: RunFolder
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self._stop = asyncio.Event()
        self._stopped_by = ""
        self._remaining = self.settings.requests
        self._connections = Connections()
        self._delays: list[float] = []
        self._output: IO[str] | None = None
        # Most requests are one of these two; h11 checks each request that it makes, which costs time.
        self._fast_requests = {keep: self.target.request("/", keep=keep) for keep in (True, False)}

    def stop(self, reason: str) -> None:
        """Begin no further request. run() returns when the requests in flight have ended."""
        self._stopped_by = self._stopped_by or reason
        self._stop.set()

    async def run(self) -> Run:
        """Send requests until a limit is reached or stop() is called; return the content of the folder's run.json."""
        settings = self.settings
        self.folder.path.mkdir(parents=True, exist_ok=True)
        self.folder.clear()
        loop = asyncio.get_running_loop()
        for signalled in (signal.SIGINT, signal.SIGTERM):
            # Only the main thread may handle signals; a test may call this in another thread.
            with contextlib.suppress(RuntimeError, ValueError):
                loop.add_signal_handler(signalled, self.stop, signalled.name)
        gc.collect()
        gc.freeze()
        begun, wall = time.monotonic(), time.time()
        timer = loop.call_later(settings.seconds, self.stop, "time")
        with self.folder.samples.open("w", buffering=1 << 16) as self._output:
            watch = asyncio.create_task(self._watch_delay())
            counts = {
                KEEP_ALIVE: settings.keep_alive,
                FRESH: settings.fresh,
                SLOW: settings.slow_clients,
                STREAM: settings.streams,
                UPLOAD: settings.uploads,
                WAITING: settings.waiting,
            }
            kinds = [kind for kind, count in counts.items() for _ in range(count)]
            try:
                async with asyncio.TaskGroup() as group:
                    for number, kind in enumerate(kinds):
                        group.create_task(self._client(kind, number))
            finally:
                timer.cancel()
                watch.cancel()
        run = Run(
            target=f"{self.target.address}:{self.target.port}{self.target.base}/",
            begun=begun,
            wall=wall,
            ended=time.monotonic(),
            clients=counts,
            pause=settings.pause,
            timeout=settings.timeout,
            stopped_by=self._stopped_by,
            connections=self._connections,
            client_delays=[round(delay, 4) for delay in self._delays],
        )
        self.folder.run.write_text(json.dumps(asdict(run), indent=2) + "\n")
        return run

    async def _watch_delay(self, step: float = 0.01) -> None:
        """Note the longest delay of this process's event loop in each second: no latency is more exact than that."""
        start = begun = time.monotonic()
        while True:
            await asyncio.sleep(step)
            now = time.monotonic()
            second = int(now - start)
            self._delays.extend([0.0] * (second + 1 - len(self._delays)))
            self._delays[second] = max(self._delays[second], now - begun - step)
            begun = now

    async def _client(self, kind: str, number: int) -> None:
        """Send one request after the other, as one client of that kind."""
        generator = random.Random(f"{self.settings.seed}-{number}")
        connection: Connection | None = None
        await asyncio.sleep(generator.uniform(0, self.settings.pause))
        while not self._stop.is_set():
            if self._remaining <= 0:
                self.stop("requests")
                break
            self._remaining -= 1
            sleep = round(generator.uniform(*self.settings.slow), 3) if kind in SLOW_KINDS else 0.0
            sample, connection = await self._send(kind, number, sleep, connection)
            assert self._output is not None
            self._output.write(json.dumps(vars(sample)) + "\n")
            await asyncio.sleep(self.settings.pause if sample.outcome == OK else AFTER_FAILURE)
        if connection:
            connection.close()

    async def _send(
        self, kind: str, number: int, sleep: float, connection: Connection | None
    ) -> tuple[Sample, Connection | None]:
        """Send one request; return its sample, and the connection when it may be used again."""
        path = f"/{kind}?seconds={sleep}" if kind in (SLOW, STREAM) else "/"
        begun, wall = time.monotonic(), time.time()
        exchange = _Exchange()
        sample = Sample(kind, number, round(begun, 6), round(wall, 6), 0.0, OK, sleep=sleep)
        try:
            async with asyncio.timeout(self.settings.timeout + sleep):
                if kind == KEEP_ALIVE:
                    connection = await self._exchange_kept(path, connection, exchange)
                else:
                    await self._exchange_fresh(kind, path, sleep, exchange)
        except TimeoutError:
            connection = None
            sample = replace(sample, outcome=TIMEOUT, detail=f"no answer in {self.settings.timeout + sleep:.1f} s")
        sample = replace(sample, seconds=round(time.monotonic() - begun, 6), retried=exchange.retried)
        if exchange.error:
            sample = replace(sample, outcome=exchange.error.kind, detail=exchange.error.detail)
        elif exchange.answer:
            sample = assess(sample, exchange.answer, exchange.sent)
        return sample, connection

    async def _exchange_fresh(self, kind: str, path: str, sleep: float, exchange: _Exchange) -> None:
        connection: Connection | None = None
        try:
            connection = await Connection.open(self.target)
            if kind == UPLOAD:
                body = [UPLOAD_PIECE] * max(1, round(sleep / UPLOAD_PAUSE))
                exchange.sent = sum(map(len, body))
                request = self.target.request(path, keep=False, length=exchange.sent)
                exchange.answer = await connection.exchange(request, body, sleep / len(body))
                return
            if kind == WAITING:
                await asyncio.sleep(sleep)
            exchange.answer = await connection.exchange(self._request(path, keep=False))
        except ExchangeError as error:
            exchange.error = error
        finally:
            if connection:
                connection.close()

    async def _exchange_kept(self, path: str, connection: Connection | None, exchange: _Exchange) -> Connection | None:
        """Send the request on the kept connection, or on a new one where RFC 9112, 9.3.1 and RFC 9110, 9.2.2 allow it.

        They allow a new connection in two cases. Either nothing was sent yet. Or a GET was sent on a connection that
        had served before, and the server closed it before any byte of the answer: the server may have closed an idle
        connection at that very moment. The request is sent a second time at most.
        """
        if connection and connection.unusable:
            connection.close()
            connection = None
            self._count(closed_idle=1)
        request = self._request(path, keep=True)
        try:
            for retrying in (False, True):
                if connection is None:
                    connection = await Connection.open(self.target)
                    self._count(opened=1)
                idle = asyncio.get_running_loop().time() - connection.idle_since
                try:
                    exchange.answer = await connection.exchange(request)
                    break
                except ExchangeError as error:
                    if retrying or not error.unanswered or not connection.answered:
                        raise
                    connection.close()
                    connection = None
                    exchange.retried = True
                    self._count(retried=1, retry_idle=idle)
        except ExchangeError as error:
            exchange.error = error
        except asyncio.CancelledError:
            if connection:
                connection.close()
            raise
        if exchange.answer and exchange.answer.keeps_open:
            return connection
        if exchange.answer:
            self._count(announced=1)
        if connection:
            connection.close()
        return None

    def _request(self, path: str, *, keep: bool) -> h11.Request:
        return self._fast_requests[keep] if path == "/" else self.target.request(path, keep=keep)

    def _count(self, *, retry_idle: float | None = None, **more: int) -> None:
        now = self._connections
        changes = {name: getattr(now, name) + number for name, number in more.items()}
        if retry_idle is not None and len(now.retry_idle) < FIRST_RETRIES:
            now.retry_idle.append(round(retry_idle, 4))
        self._connections = replace(now, **changes)


def assess(sample: Sample, answer: Answer, sent: int | None = None) -> Sample:
    """Return the sample with the outcome and the release that the answer shows. ``sent`` bytes have to have arrived."""
    sample = replace(sample, status=answer.status)
    try:
        content = json.loads(answer.body)
        releases = [str(content["release"][place]) for place in PLACES]
        sample = replace(sample, release="/".join(dict.fromkeys(releases)), process=int(content["process"]))
        detail = ", ".join(f"{place} {release}" for place, release in zip(PLACES, releases, strict=True))
    except (ValueError, KeyError, TypeError):
        releases, detail = [], answer.body[:120].decode(errors="replace")
    if answer.status != 200:
        return replace(sample, outcome=STATUS, detail=f"{answer.status} {detail}")
    if not releases:
        return replace(sample, outcome=MALFORMED, detail=detail)
    if content.get("received") != sent:
        return replace(sample, outcome=MALFORMED, detail=f"{content.get('received')} of {sent} bytes have arrived")
    if len(set(releases)) > 1:
        return replace(sample, outcome=MIXED, detail=f"process {sample.process}: {detail}")
    return sample
