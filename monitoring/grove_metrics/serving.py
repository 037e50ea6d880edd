"""The HTTP server that answers scrapes."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from . import settings

PATH = "/metrics"


class Server(ThreadingHTTPServer):
    """Answers ``/metrics`` with what the registry collects."""

    daemon_threads = True

    def __init__(self, address: str, port: int, registry: CollectorRegistry) -> None:
        if ipaddress.ip_address(address).version == 6:
            self.address_family = socket.AF_INET6
        self.registry = registry
        super().__init__((address, port), Handler)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    timeout = settings.CLIENT_SECONDS
    server: Server

    def do_GET(self) -> None:
        """Answer a scrape."""
        if self.path.partition("?")[0] != PATH:
            self.send_error(404)
            return
        encoder, kind = choose_encoder(self.headers.get("Accept", ""))
        content = encoder(self.server.registry)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        # Who has not waited for the answer does not get it.
        with contextlib.suppress(ConnectionError, TimeoutError):
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Write nothing about a request."""
