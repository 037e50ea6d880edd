"""Receivers of notifications: HTTP servers on the loopback address, which keep what they receive."""

import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import servers

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Request:
    """A request that came."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Receiver:
    """A running receiver. `answer` writes the answer to a request; it may be replaced at any time."""

    url: str
    answer: Answer
    requests: list[Request] = field(default_factory=list)

    def states(self) -> list[str]:
        """The states in the notifications that came, in their order."""
        return [request.body["current"] for request in self.requests]

    def wait(self, count: int, seconds: float = 120) -> list[Request]:
        """Wait for a number of requests, and return them."""
        deadline = time.monotonic() + seconds
        while len(self.requests) < count:
            assert time.monotonic() < deadline, f"{len(self.requests)} of {count} requests came: {self.requests}"
            time.sleep(0.02)
        return self.requests


def status(code: int, **headers: str) -> Answer:
    """Answer with a status."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@contextmanager
def receiver(
    answer: Answer | None = None, port: int = 0, certificate: Path | None = None, clients: Path | None = None
) -> Iterator[Receiver]:
    """Run a receiver. With a certificate it speaks TLS; `clients` is the authority of the clients' certificates."""
    answer = answer or status(200)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            content = self.rfile.read(length)
            running.requests.append(Request(self.path, dict(self.headers.items()), json.loads(content)))
            running.answer(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", port), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if certificate is None else "https"
    running = Receiver(f"{scheme}://127.0.0.1:{server.server_port}/hook", answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def silent() -> Iterator[str]:
    """Accept connections and never answer. Yield the URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"


def unused_port() -> int:
    """Return a port on which no server listens."""
    return servers.free_ports(1)[0]
