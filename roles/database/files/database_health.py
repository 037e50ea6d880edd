"""Answers the load balancers over HTTP whether this host's MariaDB may have clients: 200 if so, 503 with the reason.

A host may have clients if its server takes writes, and is a member of the cluster that serves. A member that sends its
data to one that joins (a donor) may, too: mariadb-backup lets it serve on, and it may be the only one left.
"""

from __future__ import annotations

import argparse
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pymysql

SECONDS = 3
"""For an answer of the server, which comes at once unless the server or its disk stands still. HAProxy waits 5 s."""
REQUEST_SECONDS = 10
"""For the request of a load balancer."""
STATES = {"2": "Donor/Desynced", "4": "Synced"}
"""The values of wsrep_local_state with which a member may have clients."""
QUESTIONS = (
    "SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_cluster_status', 'wsrep_local_state')",
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only')",
)
WELL = "this host may have clients"


class Server:
    """The MariaDB of this host. It keeps one connection, so that it answers when clients have all others."""

    def __init__(self, path: str, account: str) -> None:
        """Ask at a socket, as an account that logs in without a password."""
        self._path, self._account = path, account
        self._connection: Any = None
        self._lock = threading.Lock()

    def unwell(self) -> str:
        """Return why the host may have no clients; empty where it may."""
        with self._lock:
            try:
                return reason(self._values())
            except (pymysql.MySQLError, OSError) as error:
                return f"MariaDB does not answer: {error}"

    def _values(self) -> dict[str, str]:
        try:
            if self._connection is None:
                self._connection = pymysql.connect(
                    unix_socket=self._path,
                    user=self._account,
                    connect_timeout=SECONDS,
                    read_timeout=SECONDS,
                    write_timeout=SECONDS,
                )
            values: dict[str, str] = {}
            for question in QUESTIONS:
                cursor = self._connection.cursor()
                cursor.execute(question)
                values.update(cursor.fetchall())
        except (pymysql.MySQLError, OSError):
            # After a restart of the server, the next question needs a connection of its own.
            former, self._connection = self._connection, None
            if former is not None and former.open:
                former.close()
            raise
        return values


def reason(values: dict[str, str]) -> str:
    """Return why a server with these variables may have no clients; empty where it may."""
    for name, expected in (("wsrep_ready", "ON"), ("wsrep_cluster_status", "Primary"), ("read_only", "OFF")):
        found = values.get(name, "(nothing)")
        if found != expected:
            return f"{name} is {found}; it has to be {expected}"
    state = values.get("wsrep_local_state", "(nothing)")
    if state not in STATES:
        wanted = " or ".join(f"{number} ({name})" for number, name in STATES.items())
        return f"wsrep_local_state is {state}; it has to be {wanted}"
    return ""


class Listener(ThreadingHTTPServer):
    """Serves clients of some addresses, and closes the connections of others."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: str, port: int, clients: set[str], database: Server) -> None:
        """Listen on an address."""
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._clients, self._database = clients, database
        self._last: str | None = None
        super().__init__((address, port), Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether the client may ask."""
        return str(client_address[0]) in self._clients

    def handle_error(self, *_: object) -> None:
        """Print nothing of a client that has gone."""

    def unwell(self) -> str:
        """Return why the host may have no clients, and print it if it differs from the answer before."""
        text = self._database.unwell()
        if text != self._last:
            self._last = text
            print(text or WELL, flush=True)
        return text


class Handler(BaseHTTPRequestHandler):
    """Answers every GET request."""

    server: Listener
    server_version, sys_version = "database-health", ""
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        """Answer whether the host may have clients."""
        text = self.server.unwell()
        body = f"{text or WELL}\n".encode()
        self.send_response(503 if text else 200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing of a request: there are some each second."""


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", required=True, help="the address to listen on")
    parser.add_argument("--port", type=int, required=True, help="the port to listen on")
    parser.add_argument("--socket", required=True, help="MariaDB's socket")
    parser.add_argument("--account", required=True, help="the account for MariaDB, which needs no privilege")
    parser.add_argument("--client", action="append", default=[], help="an address that may ask; any number of them")
    options = parser.parse_args()
    database = Server(options.socket, options.account)
    Listener(options.listen, options.port, set(options.client), database).serve_forever()


if __name__ == "__main__":
    main()
