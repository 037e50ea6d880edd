"""Answers 503 with Retry-After while a server that the application needs is away.

Without the message broker, an application of oslo.messaging accepts a request, writes it to its database, and waits for
the broker while it holds the thread. Clients see a server that is being built for ever. So requests that change
something are refused before they reach the application, until the broker is there and agents take its messages.

Without the database, the application answers 500. That answer becomes 503 if the database does not accept connections.
PostgreSQL refuses them with an error while it starts, recovers and stops; such a database counts as away, too. The same
holds for keystone. While a host stops, its Apache accepts no connections any more and lets requests end, and one of
them may have to ask another service of the same Apache.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from . import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""
RETRY_SECONDS = 5
"""What Retry-After says: the agents need a few seconds after the broker's return."""
CONNECT_SECONDS = 2.0
"""Seconds that a connection may take: a server on the same network answers in far less."""
PAUSE = 1.0
"""Seconds between two attempts to connect, and between two looks at the queues."""
SETTLE_SECONDS = 5.0
"""Seconds after the agents' return until requests are accepted: agents first report that they are up."""
REPORT_SECONDS = 15.0
"""Seconds after the database was away until requests that need agents are accepted: agents report every ten seconds."""
HEARTBEAT = 10
"""Seconds after which a broker that does not answer counts as away."""
FIRST_SECONDS = 5.0
"""Seconds that a request to a new process waits until the process knows whether the broker is there."""
LOAD_SECONDS = 30.0
"""Seconds that an application that starts with its host waits for its database before it is loaded."""
DATABASE_PORTS = {"mysql": 3306, "postgresql": 5432}
PROTOCOL = 3 << 16
"""The version of PostgreSQL's protocol, 3.0, which all servers since 2003 speak."""
ANSWER_BYTES = 4096
"""More than the first answer of PostgreSQL to a new session."""


@dataclass(frozen=True)
class Node:
    """A node of the broker: where it listens, and the account and the virtual host to use.

    ``tls`` is what py-amqp takes; None without TLS.
    """

    host: str
    port: int
    user: str
    password: str
    vhost: str
    tls: dict[str, Any] | None = None

    @property
    def address(self) -> str:
        """The address as py-amqp takes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Server:
    """A server: where it listens."""

    host: str
    port: int

    def is_away(self) -> bool:
        """Return whether it accepts no connection."""
        try:
            with socket.create_connection((self.host, self.port), timeout=CONNECT_SECONDS) as connection:
                return self._refuses(connection)
        except OSError:
            return True

    def _refuses(self, connection: socket.socket) -> bool:
        return False


@dataclass(frozen=True)
class Database(Server):
    """A database server. PostgreSQL also needs the account and the name of the database."""

    account: str = ""
    name: str = ""

    def _refuses(self, connection: socket.socket) -> bool:
        return bool(self.account) and _refuses(connection, self.account, self.name)


def _refuses(connection: socket.socket, account: str, name: str) -> bool:
    """Return whether a PostgreSQL server accepts no sessions now. Raises OSError."""
    parameters = b"".join(text.encode() + b"\0" for text in ("user", account, "database", name or account))
    # The first message of a session in version 3.0 of PostgreSQL's protocol.
    message = struct.pack("!I", PROTOCOL) + parameters + b"\0"
    connection.sendall(struct.pack("!I", len(message) + 4) + message)
    answer = connection.recv(ANSWER_BYTES)
    # An error begins with E and has a field C with its code. The server asks for a password or lets the account in
    # otherwise. Other errors, such as an account that may not log in, are no outage.
    return not answer or (answer[:1] == b"E" and b"\0C57P" in answer)


@dataclass(frozen=True)
class Servers:
    """The servers of an application: its databases, the nodes of its broker, and keystone."""

    databases: tuple[Database, ...] = ()
    broker: tuple[Node, ...] = ()
    keystone: tuple[Server, ...] = ()

    @classmethod
    def read(cls, path: str) -> Servers:
        """Read them from a configuration file of oslo.config. Raises OSError and configparser.Error."""
        databases: list[Database] = []
        broker: list[Node] = []
        for option, url in servers.servers(path):
            scheme = urlsplit(url).scheme.partition("+")[0]
            if option == "DEFAULT.transport_url" and scheme in servers.BROKER_SCHEMES:
                broker = nodes(url, _tls(path))
            elif scheme in DATABASE_PORTS and (host := urlsplit(url).hostname) and "unix_socket=" not in url:
                databases.append(_database(scheme, host, url))
        keystone = [_keystone(url) for url in servers.keystone_urls(path)]
        return cls(tuple(dict.fromkeys(databases)), tuple(broker), tuple(dict.fromkeys(keystone)))

    def missing_database(self) -> str:
        """Return the address of the first database that accepts no connection; empty if all do."""
        return next((f"{one.host}:{one.port}" for one in self.databases if one.is_away()), "")

    def missing_server(self) -> str:
        """Return what is away of the databases and keystone, with its address; empty if nothing is."""
        if database := self.missing_database():
            return f"the database at {database}"
        return next((f"keystone at {one.host}:{one.port}" for one in self.keystone if one.is_away()), "")

    def wait_for_databases(self, seconds: float = LOAD_SECONDS) -> None:
        """Return when all databases accept connections, or after ``seconds``."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.missing_database():
            time.sleep(PAUSE)


def _database(scheme: str, host: str, url: str) -> Database:
    parts = urlsplit(url)
    return _server(scheme, host, parts.port, unquote(parts.username or ""), unquote(parts.path.strip("/")))


def _keystone(url: str) -> Server:
    parts = urlsplit(url)
    return Server(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def database_of(scheme: str, options: Mapping[str, Any]) -> Database | None:
    """Return the server to which a driver connects with ``options``; None for a socket of Unix, and others."""
    host = options.get("host", "")
    if scheme not in DATABASE_PORTS or not host or host.startswith("/") or options.get("unix_socket"):
        return None
    return _server(scheme, host, options.get("port"), options.get("user", ""), options.get("dbname", ""))


def _server(scheme: str, host: str, port: int | None, account: str, name: str) -> Database:
    address = (host, port or DATABASE_PORTS[scheme])
    return Database(*address, account, name) if scheme == "postgresql" else Database(*address)


def nodes(url: str, tls: dict[str, Any] | None = None) -> list[Node]:
    """Return the nodes of a transport URL of oslo.messaging, which may name several."""
    listed, _, rest = url.partition("://")[2].partition("/")
    vhost = unquote(rest.partition("?")[0]) or "/"
    result = []
    for text in listed.split(","):
        login, _, address = text.rpartition("@")
        user, _, password = login.partition(":")
        parts = urlsplit(f"//{address}")
        account = (unquote(user) or "guest", unquote(password) or "guest")
        result.append(Node(parts.hostname or "localhost", parts.port or 5672, *account, vhost, tls))
    return result


def _tls(path: str) -> dict[str, Any] | None:
    """Return how the file at ``path`` says that the broker is reached with TLS; None without TLS."""
    values = servers.options(path, "oslo_messaging_rabbit")
    if values.get("ssl", "").lower() not in ("true", "1", "yes", "on"):
        return None
    names = {"ssl_ca_file": "ca_certs", "ssl_cert_file": "certfile", "ssl_key_file": "keyfile"}
    tls: dict[str, Any] = {argument: values[option] for option, argument in names.items() if values.get(option)}
    # As oslo.messaging does it: without an authority, no certificate is checked.
    return {**tls, "cert_reqs": ssl.CERT_REQUIRED if "ca_certs" in tls else ssl.CERT_NONE}


@dataclass
class Watch:
    """Follows a broker in a thread: ``ready`` while requests that need the broker can be accepted.

    They can when the broker is there and each queue in ``queues`` exists and has had a consumer since then. A queue
    that loses its consumers later keeps its messages for the next one, so a restart of an agent refuses nothing.
    """

    broker: tuple[Node, ...]
    queues: tuple[str, ...] = ()
    ready: bool = False
    reason: str = "the message broker has not answered yet"
    _known: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to follow the broker."""
        threading.Thread(target=self._run, name="grove-away", daemon=True).start()

    def wait(self) -> bool:
        """Return whether requests can be accepted, as soon as this is known."""
        self._known.wait(FIRST_SECONDS)
        return self.ready

    def _run(self) -> None:
        first = True
        while True:
            for node in self.broker:
                try:
                    self._follow(node, settled=first)
                except Exception as error:
                    self._refuse(f"the message broker at {node.address} is away: {servers.reason(error)}")
                first = False
            time.sleep(PAUSE)

    def _follow(self, node: Node, *, settled: bool) -> None:
        """Follow a node until it is gone. Raises what py-amqp raises. ``settled``: the agents may be there for long."""
        import amqp

        connection = amqp.Connection(
            host=node.address,
            userid=node.user,
            password=node.password,
            virtual_host=node.vhost,
            ssl=False if node.tls is None else {**node.tls, "server_hostname": node.host},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=HEARTBEAT,
            write_timeout=HEARTBEAT,
            heartbeat=HEARTBEAT,
        )
        try:
            connection.connect()
            while missing := _without_consumer(connection, self.queues):
                settled = False
                self._refuse(f"no agent takes messages from the queue {missing}")
                _listen(connection, PAUSE)
            if not settled:
                self._refuse("the agents have just come back")
                _listen(connection, SETTLE_SECONDS)
            self._accept()
            while True:
                _listen(connection, HEARTBEAT / 3)
        finally:
            with contextlib.suppress(Exception):
                connection.collect()

    def _accept(self) -> None:
        if self._known.is_set():
            _log.warning("requests that change something are accepted again")
        self.ready, self.reason = True, ""
        self._known.set()

    def _refuse(self, reason: str) -> None:
        if self.ready or (reason != self.reason and not self._known.is_set()):
            _log.warning("requests that change something are refused: %s", reason)
        self.ready, self.reason = False, reason
        self._known.set()


def _listen(connection: Any, seconds: float) -> None:
    """Take what the broker sends, and send heartbeats, for some seconds."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=min(left, PAUSE))
        connection.heartbeat_tick()


def _without_consumer(connection: Any, queues: Sequence[str]) -> str:
    """Return the first queue that does not exist or has no consumer; empty if there is none."""
    import amqp

    for queue in queues:
        channel = connection.channel()
        try:
            consumers = channel.queue_declare(queue=queue, passive=True).consumer_count
        except amqp.NotFound:
            return queue
        channel.close()
        if not consumers:
            return queue
    return ""


def guard(application: WSGIApplication, needed: Servers, watch: Watch | None) -> WSGIApplication:
    """Return ``application`` so that it answers 503 while a server is away.

    ``watch`` follows the broker; None for an application without one.
    """
    asked = needed.databases or needed.keystone or watch is not None
    return Guard(application, needed, watch) if asked else application


class Guard:
    """An application that answers 503 while a server is away; see ``guard``."""

    def __init__(self, application: WSGIApplication, needed: Servers, watch: Watch | None) -> None:
        self._application = application
        self._needed = needed
        self._watch = watch
        self._database_away = -REPORT_SECONDS

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if self._watch is not None and environ["REQUEST_METHOD"] not in READING:
            if not self._watch.wait():
                # The log names the broker. Clients need not know where it is.
                return refuse(start_response, "no changes are accepted now: the message broker or the agents are away")
            if time.monotonic() < self._database_away + REPORT_SECONDS:
                return refuse(start_response, "no changes are accepted now: the database was away a moment ago")
        if not self._needed.databases and not self._needed.keystone:
            return self._application(environ, start_response)
        return self._unless_away(environ, start_response)

    def _unless_away(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        statuses: list[str] = []
        away = ""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            nonlocal away
            statuses.append(status)
            # Only now: a database counts connections that say nothing as failed ones.
            away = self._missing_server() if status.startswith("500") else ""
            if away:
                return lambda data: None
            if status.startswith("503") and not any(name.lower() == "retry-after" for name, _ in headers):
                headers = [*headers, ("Retry-After", str(RETRY_SECONDS))]
            return start_response(status, headers, exc_info)

        def other() -> list[bytes] | None:
            # The log has the address. Clients need not know it.
            return refuse(start_response, f"{away.partition(' at ')[0]} is away") if away else None

        try:
            answer = self._application(environ, start)
        except Exception:
            if not statuses and (away := self._missing_server()):
                return other() or []
            raise
        if not statuses:
            return _late(answer, other)
        if away:
            _close(answer)
        return other() or answer

    def _missing_server(self) -> str:
        missing = self._needed.missing_server()
        if missing:
            _log.warning("the answer is 503, because %s is away", missing)
        if missing.startswith("the database"):
            self._database_away = time.monotonic()
        return missing


def _late(answer: Iterable[bytes], other: Callable[[], list[bytes] | None]) -> Iterator[bytes]:
    """Yield an answer that an application begins while it is read, or another one."""
    try:
        for part in answer:
            replaced = other()
            if replaced is not None:
                yield from replaced
                return
            yield part
    finally:
        _close(answer)


def _close(answer: Any) -> None:
    if hasattr(answer, "close"):
        answer.close()


def refuse(start_response: StartResponse, message: str) -> list[bytes]:
    """Answer 503."""
    body = json.dumps({"error": {"code": 503, "title": "Service Unavailable", "message": message}}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Retry-After", str(RETRY_SECONDS)),
    ]
    start_response("503 Service Unavailable", headers)
    return [body]
