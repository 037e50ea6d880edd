"""HTTP/1.1 on one connection, exact about how far an exchange came before it failed. h11 parses; the socket is ours."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

LARGEST_HEAD = 1 << 16
"""Bytes of a status line and header fields. A longer head is malformed."""
CONNECT, RESET, CLOSED, TRUNCATED, MALFORMED = "connect", "reset", "closed", "truncated", "malformed"


class ExchangeError(Exception):
    """An exchange failed: ``kind`` is one of the constants above; ``unanswered``: before any byte of the answer."""

    def __init__(self, kind: str, detail: str, *, unanswered: bool = False) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.unanswered = unanswered


@dataclass(frozen=True)
class Answer:
    """Status, body, and whether the server keeps the connection open."""

    status: int
    body: bytes
    keeps_open: bool


@dataclass(frozen=True)
class Target:
    """Where requests go: address, port, the Host field, the beginning of the path, and TLS for an https URL."""

    address: str
    port: int
    host: str
    base: str = ""
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, *, host: str = "", ca: str = "") -> Target:
        """Parse an http or https URL; ``host`` replaces the Host field, ``ca`` is a file of trusted authorities.

        Raises ValueError for any other URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no http or https URL without a query")
        tls = ssl.create_default_context(cafile=ca or None) if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        return cls(parts.hostname, port, host or parts.netloc, parts.path.rstrip("/"), tls)

    def request(self, path: str, *, keep: bool, length: int | None = None) -> h11.Request:
        """Return a GET, or the POST of a body of ``length`` bytes.

        Without ``keep`` it asks the server to close the connection after the answer.
        """
        fields = [("Host", self.host), ("User-Agent", "grove-load"), ("Accept", "*/*")]
        if not keep:
            fields.append(("Connection", "close"))
        if length is not None:
            fields.append(("Content-Length", str(length)))
        method = "GET" if length is None else "POST"
        return h11.Request(method=method, target=self.base + path, headers=fields)


class Connection(asyncio.Protocol):
    """One connection. It keeps whatever arrives in its order: all bytes first, and then the end of the connection.

    asyncio's own StreamReader forgets buffered bytes when a reset follows them. An answer that was cut in the middle
    could then not be told from an answer that never began.
    """

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=LARGEST_HEAD)
        self._received = 0
        self._end: tuple[str, str] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self.answered = 0
        self.idle_since = 0.0

    @classmethod
    async def open(cls, target: Target) -> Connection:
        """Connect; raises ExchangeError."""
        name = target.host.rpartition(":")[0] or target.host
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                cls, target.address, target.port, ssl=target.tls, server_hostname=name if target.tls else None
            )
        except OSError as error:
            raise ExchangeError(CONNECT, f"{error or type(error).__name__}", unanswered=True) from error
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        self._http.receive_data(data)
        self._wake()

    def eof_received(self) -> None:
        self._finish(CLOSED, "the server closed the connection")

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(*((RESET, f"{exc}") if exc else (CLOSED, "the connection was closed")))

    def _finish(self, kind: str, detail: str) -> None:
        self._end = self._end or (kind, detail)
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def unusable(self) -> bool:
        """Whether the server has ended the idle connection, or has sent bytes that no request asked for."""
        return self._end is not None or self._received > 0

    def close(self) -> None:
        """Close the connection. Bytes that are still in transit are lost."""
        if self._transport:
            self._transport.close()

    async def exchange(self, request: h11.Request, pieces: Sequence[bytes] = (), pause: float = 0.0) -> Answer:
        """Send a request and return its answer; interim answers (1xx) are skipped.

        The pieces of the request's body are sent with a pause of so many seconds after each. No further piece is sent
        once the server has answered, or has closed the connection. Raises ExchangeError; the connection is of no use
        then.
        """
        assert self._transport is not None
        if pieces:
            await self._send_slowly(request, pieces, pause)
        else:
            self._transport.write(self._http.send(request) + self._http.send(h11.EndOfMessage()))
        status, body = 0, bytearray()
        while not isinstance(event := await self._next_event(), h11.EndOfMessage):
            match event:
                case h11.Response():
                    status = event.status_code
                case h11.Data():
                    body += event.data
        self.answered += 1
        self.idle_since = asyncio.get_running_loop().time()
        keeps_open = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        # What has arrived beyond the answer belongs to no request.
        self._received = len(self._http.trailing_data[0])
        if keeps_open:
            self._http.start_next_cycle()
        return Answer(status, bytes(body), keeps_open)

    async def _send_slowly(self, request: h11.Request, pieces: Sequence[bytes], pause: float) -> None:
        assert self._transport is not None
        self._transport.write(self._http.send(request))
        for piece in pieces:
            if self.unusable:
                return
            self._transport.write(self._http.send(h11.Data(data=piece)))
            await asyncio.sleep(pause)
        self._http.send(h11.EndOfMessage())

    async def _next_event(self) -> h11.Event:
        """Return the next part of the answer, as soon as its bytes are there; raises ExchangeError."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise ExchangeError(MALFORMED, f"{error}") from None
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                raise ExchangeError(MALFORMED, "the server switched to another protocol")
            if self._end is not None:
                return self._last_event(*self._end)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def _last_event(self, kind: str, detail: str) -> h11.Event:
        """Return the end of an answer that a close ends; raises ExchangeError for any other unfinished answer."""
        if kind == CLOSED and self._received:
            self._http.receive_data(b"")
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError:
                event = h11.NEED_DATA
            if isinstance(event, h11.EndOfMessage):
                return event
        if not self._received:
            raise ExchangeError(kind, f"{detail} before any byte of the answer", unanswered=True)
        raise ExchangeError(TRUNCATED, f"{detail} after {self._received} bytes of the answer")
