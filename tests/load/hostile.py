#!/usr/bin/env python3
"""Clients that are slow on purpose. One file without dependencies, so that it also runs on a test host itself.

    python3 hostile.py headers http://127.0.0.1:8300/ --clients 500 --seconds 60 --addresses 50

Each client holds one connection at a time, and opens another when the server ends it. The kinds:
``headers``: begin a request and never end it; send a piece of a header field every few seconds;
``bodies``: announce a body and send it slowly;
``readers``: ask for a large answer and read it slowly;
``handshakes``: connect to a TLS port and send half of the first message;
``idle``: connect and send nothing.
SIGTERM ends the run. It prints the counts of a ``Report`` as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import resource
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from urllib.parse import urlsplit

CONNECT_SECONDS = 10.0
"""How long a client waits for a connection."""
REOPEN_SECONDS = 0.5
"""Pause of a client after its connection has ended."""
SMALL_BUFFER = 4096
"""Bytes of a slow reader's receive buffer: the least that Linux gives."""
CLIENT_HELLO = bytes.fromhex("16030100f8010000f40303")
"""The beginning of the first message of TLS."""


@dataclass(frozen=True)
class Settings:
    """What the clients do.

    ``address``, ``port``, ``host`` and ``path`` are the target. ``clients`` is their number, ``seconds`` the length of
    the run, ``addresses`` the number of source addresses, 127.0.0.2 and up; with 0 the kernel chooses one. ``rate`` is
    in bytes a second, for bodies and readers. ``body`` is the announced length of a body in bytes. ``piece`` is in
    seconds, between two pieces of a header.
    """

    address: str
    port: int
    host: str
    path: str = "/"
    clients: int = 100
    seconds: float = 60.0
    addresses: int = 0
    rate: int = 1000
    body: int = 1_000_000
    piece: float = 3.0


@dataclass
class Report:
    """Counts: connections that were opened, refused, and ended by the server; the most that were open at once.

    ``held`` is the longest time in seconds that the server kept one connection. ``statuses`` counts the answers.
    """

    opened: int = 0
    refused: int = 0
    ended: int = 0
    most_open: int = 0
    held: float = 0.0
    statuses: dict[str, int] = field(default_factory=dict)


Behaviour = Callable[[socket.socket, Settings], Awaitable[bytes]]


async def _next(connection: socket.socket, seconds: float) -> bytes | None:
    """Return what the server sends within that time: b"" for the end of the connection, None for nothing."""
    loop = asyncio.get_running_loop()
    try:
        return await asyncio.wait_for(loop.sock_recv(connection, 1024), seconds)
    except TimeoutError:
        return None


async def headers(connection: socket.socket, settings: Settings) -> bytes:
    """Begin a request, and send a header field of it again and again."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, f"GET {settings.path} HTTP/1.1\r\nHost: {settings.host}\r\n".encode())
    while (answer := await _next(connection, settings.piece)) is None:
        await loop.sock_sendall(connection, b"X-Slow: 1\r\n")
    return answer


async def bodies(connection: socket.socket, settings: Settings) -> bytes:
    """Announce a body and send it slowly."""
    loop = asyncio.get_running_loop()
    head = f"POST {settings.path} HTTP/1.1\r\nHost: {settings.host}\r\nContent-Length: {settings.body}\r\n\r\n"
    await loop.sock_sendall(connection, head.encode())
    remaining = settings.body
    while (answer := await _next(connection, 1)) is None:
        size = min(settings.rate, remaining)
        await loop.sock_sendall(connection, b"x" * size)
        remaining -= size
    return answer


async def readers(connection: socket.socket, settings: Settings) -> bytes:
    """Ask for an answer and read it slowly."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, f"GET {settings.path} HTTP/1.1\r\nHost: {settings.host}\r\n\r\n".encode())
    first = answer = await loop.sock_recv(connection, 64)
    while answer:
        await asyncio.sleep(1)
        answer = await loop.sock_recv(connection, settings.rate)
    return first


async def handshakes(connection: socket.socket, settings: Settings) -> bytes:
    """Send half of the first message of TLS."""
    await asyncio.get_running_loop().sock_sendall(connection, CLIENT_HELLO)
    return await _next(connection, settings.seconds) or b""


async def idle(connection: socket.socket, settings: Settings) -> bytes:
    """Send nothing."""
    return await _next(connection, settings.seconds) or b""


KINDS: dict[str, Behaviour] = {
    "headers": headers,
    "bodies": bodies,
    "readers": readers,
    "handshakes": handshakes,
    "idle": idle,
}


class Attack:
    """One run of clients of one kind."""

    def __init__(self, kind: str, settings: Settings) -> None:
        self.behaviour = KINDS[kind]
        self.small = kind == "readers"
        self.settings = settings
        self.report = Report()
        self._open = 0

    async def run(self) -> Report:
        """Run all clients for the seconds of the settings, or until SIGTERM."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        clients = [asyncio.create_task(self._client(number)) for number in range(self.settings.clients)]
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), self.settings.seconds)
        pending = set(clients)
        while pending:
            # wait_for of Python 3.11 loses a cancellation that comes together with its result.
            for client in pending:
                client.cancel()
            _, pending = await asyncio.wait(pending, timeout=1)
        return self.report

    async def _client(self, number: int) -> None:
        while True:
            await self._connect(number)
            await asyncio.sleep(REOPEN_SECONDS)

    async def _connect(self, number: int) -> None:
        settings, report = self.settings, self.report
        with socket.socket() as connection:
            connection.setblocking(False)
            if self.small:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            if settings.addresses:
                connection.bind((f"127.0.0.{2 + number % settings.addresses}", 0))
            target = (settings.address, settings.port)
            try:
                await asyncio.wait_for(asyncio.get_running_loop().sock_connect(connection, target), CONNECT_SECONDS)
            except OSError:
                report.refused += 1
                return
            report.opened += 1
            self._open += 1
            report.most_open = max(report.most_open, self._open)
            begun, answer = time.monotonic(), b""
            try:
                answer = await self.behaviour(connection, settings)
                report.ended += 1
            except OSError:
                report.ended += 1
            finally:
                self._open -= 1
                report.held = max(report.held, round(time.monotonic() - begun, 1))
                if status := re.match(rb"HTTP/1\.[01] (\d{3})", answer):
                    code = status[1].decode()
                    report.statuses[code] = report.statuses.get(code, 0) + 1


def settings_of(url: str, **more: float) -> Settings:
    """Return the settings for a URL; ``more`` are further fields."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    assert parts.hostname
    return Settings(parts.hostname, parts.port or 80, parts.netloc, path, **more)  # type: ignore[arg-type]


def main() -> None:
    """Run the clients of the command line."""
    defaults = Settings("", 0, "")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("url")
    for name in ("clients", "seconds", "addresses", "rate", "body", "piece"):
        default = getattr(defaults, name)
        parser.add_argument(f"--{name}", type=type(default), default=default)
    options = vars(parser.parse_args())
    kind, url = options.pop("kind"), options.pop("url")
    # A client without a descriptor would be no client, and nobody would notice.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    print(json.dumps(asdict(asyncio.run(Attack(kind, settings_of(url, **options)).run()))))


if __name__ == "__main__":
    main()
