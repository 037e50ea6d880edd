"""HTTP/1.1 on one connection, exact about how far an exchange came before it failed."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

LARGEST_HEAD = 1 << 16
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
    """Status, header fields (names in lower case), body, and whether the server keeps the connection open."""

    status: int
    fields: dict[str, str]
    body: bytes
    kept: bool


@dataclass(frozen=True)
class Target:
    """Where requests go: address, port, the Host field, the beginning of the path, and TLS where it is spoken."""

    address: str
    port: int
    host: str
    base: str = ""
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, *, host: str = "", ca: str = "") -> Target:
        """Take apart an http or https URL; ``host`` replaces the Host field, ``ca`` is a file of trusted authorities.

        Raises ValueError for any other URL.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r} is no http or https URL without a query")
        tls = ssl.create_default_context(cafile=ca or None) if parts.scheme == "https" else None
        port = parts.port or (443 if tls else 80)
        return cls(parts.hostname, port, host or parts.netloc, parts.path.rstrip("/"), tls)

    def request(self, path: str, *, keep: bool) -> bytes:
        """Return the bytes of a GET."""
        connection = "" if keep else "Connection: close\r\n"
        return (
            f"GET {self.base}{path} HTTP/1.1\r\nHost: {self.host}\r\nUser-Agent: grove-load\r\nAccept: */*\r\n"
            f"{connection}\r\n"
        ).encode("ascii")


class Connection(asyncio.Protocol):
    """One connection; whatever arrives is kept in the order in which it came, the end of the connection last.

    asyncio's own StreamReader forgets buffered bytes when a reset follows them, and then an answer that was cut in the
    middle cannot be told from one that never began.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
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
        self._buffer += data
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
        """Whether the server has ended the idle connection, or has said something without being asked."""
        return self._end is not None or bool(self._buffer)

    def close(self) -> None:
        """Close the connection; what is still on its way is lost."""
        if self._transport:
            self._transport.close()

    async def exchange(self, request: bytes) -> Answer:
        """Send a request and return its answer; interim answers (1xx) are skipped.

        Raises ExchangeError; the connection is of no use then.
        """
        assert self._transport is not None
        self._transport.write(request)
        while True:
            status, version, fields = await self._head()
            if status >= 200:
                break
        body, delimited = await self._body(status, fields)
        self.answered += 1
        self.idle_since = asyncio.get_running_loop().time()
        words = [word.strip().lower() for word in fields.get("connection", "").split(",")]
        return Answer(status, fields, body, delimited and version == "HTTP/1.1" and "close" not in words)

    async def _more(self, *, unanswered: bool = False) -> None:
        """Wait for bytes that were not there before; raises ExchangeError when none will come."""
        if self._end is None:
            size = len(self._buffer)
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            if len(self._buffer) > size:
                return
        kind, detail = self._end or (CLOSED, "the connection was closed")
        if unanswered and not self._buffer:
            raise ExchangeError(kind, f"{detail} before any byte of the answer", unanswered=True)
        raise ExchangeError(TRUNCATED, f"{detail} after {len(self._buffer)} more bytes of the answer")

    async def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._more()
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _take_until(self, end: bytes, *, unanswered: bool = False) -> bytes:
        while (found := self._buffer.find(end)) < 0:
            if len(self._buffer) > LARGEST_HEAD:
                raise ExchangeError(MALFORMED, f"no {end!r} in {len(self._buffer)} bytes")
            await self._more(unanswered=unanswered)
        taken = bytes(self._buffer[:found])
        del self._buffer[: found + len(end)]
        return taken

    async def _head(self) -> tuple[int, str, dict[str, str]]:
        lines = (await self._take_until(b"\r\n\r\n", unanswered=True)).decode("latin-1").split("\r\n")
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise ExchangeError(MALFORMED, f"status line {lines[0][:80]!r}")
        fields: dict[str, str] = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise ExchangeError(MALFORMED, f"header line {line[:80]!r}")
            fields[name.lower()] = value.strip()
        return int(rest[:3]), version, fields

    async def _body(self, status: int, fields: dict[str, str]) -> tuple[bytes, bool]:
        """Return the body, and whether its end was marked by something else than the end of the connection."""
        if status in (204, 304):
            return b"", True
        if fields.get("transfer-encoding", "").lower().endswith("chunked"):
            return await self._chunks(), True
        if (length := fields.get("content-length")) is not None:
            if not length.isdigit():
                raise ExchangeError(MALFORMED, f"Content-Length {length!r}")
            return await self._take(int(length)), True
        while self._end is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self._end[0] != CLOSED:
            raise ExchangeError(TRUNCATED, f"{self._end[1]} after {len(self._buffer)} bytes of the body")
        body = bytes(self._buffer)
        self._buffer.clear()
        return body, False

    async def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = (await self._take_until(b"\r\n")).partition(b";")[0].strip()
            try:
                count = int(size, 16)
            except ValueError:
                raise ExchangeError(MALFORMED, f"chunk size {size[:20]!r}") from None
            if not count:
                while await self._take_until(b"\r\n"):
                    pass
                return bytes(body)
            body += await self._take(count)
            if await self._take(2) != b"\r\n":
                raise ExchangeError(MALFORMED, "a chunk longer than its size")
