"""A database of advisories that answers as OSV does."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Database(ThreadingHTTPServer):
    """``advisory_of`` returns the advisory for a name and a version, or None. ``asked`` has all questions."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.advisory_of: Callable[[str, str], dict[str, Any] | None] = lambda name, version: None
        self.asked: list[tuple[str, str]] = []
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/query"


class _Answer(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pinned = (question["package"]["name"], question["version"])
        self.server.asked.append(pinned)
        advisory = self.server.advisory_of(*pinned)
        body = json.dumps({"vulns": [advisory]} if advisory else {}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Database]:
    """Run a database that knows no advisory during the block."""
    with Database() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
