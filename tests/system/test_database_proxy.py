"""HAProxy in front of the database hosts: the real HAProxy, and small servers in the place of MariaDB."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import configuration, database, process, runtime
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ports import free_port

pytestmark = pytest.mark.debian_packages("haproxy")

REPOSITORY = Path(__file__).resolve().parents[2]
ADDRESSES = {"db1": "127.0.32.1", "db2": "127.0.32.2", "db3": "127.0.32.3"}
CLIENT, OTHER = "127.0.33.1", "127.0.33.9"
SECONDS = 120.0
"""Until HAProxy has noticed something: generous, for a busy machine."""
ALONE = {"address": "", "own": "127.0.0.1"}


def rendered(name: str, **values: Any) -> str:
    environment = Environment(
        loader=FileSystemLoader(REPOSITORY / "roles/load_balancer/templates"),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    environment.filters["comment"] = lambda text: f"# {text}"
    return environment.get_template(name).render(ansible_managed="managed", **values)


def text_of(own: dict[str, Any], shared: dict[str, str] = ALONE, listen: str = "127.0.0.1") -> str:
    return rendered(
        "database.cfg.j2",
        database=own,
        shared=shared,
        load_balancer_listen=listen,
        load_balancer_max_connections=200,
    )


def in_folder(text: str, folder: Path) -> str:
    """Return a configuration that any account may run, with its socket in a folder."""
    kept = [line for line in text.splitlines() if not re.match(r"\s+(chroot|user|group)\b", line)]
    return "\n".join(kept).replace("/run/haproxy/", f"{folder}/") + "\n"


@dataclass
class Server:
    """A small server in the place of a database host. It says its name to each client, and answers what it is sent."""

    name: str
    port: int
    health: int
    status: int = 200
    parts: list[Any] = field(default_factory=list)
    clients: list[socket.socket] = field(default_factory=list)

    def start(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(server.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        asked = ThreadingHTTPServer((ADDRESSES[self.name], self.health), Handler)
        threading.Thread(target=asked.serve_forever, args=(0.05,), daemon=True).start()
        listener = socket.create_server((ADDRESSES[self.name], self.port))
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
        self.parts = [asked, listener]

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self.clients.append(client)
                threading.Thread(target=self._echo, args=(client,), daemon=True).start()

    def _echo(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            client.sendall(self.name.encode())
            while received := client.recv(100):
                client.sendall(received)

    def stop(self) -> None:
        asked, listener = self.parts
        asked.shutdown()
        asked.server_close()
        # A thread in accept() would keep the socket.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for client in self.clients:
            client.close()


@dataclass
class Proxy:
    """HAProxy and its three servers."""

    haproxy: runtime.Haproxy
    servers: dict[str, Server]
    port: int
    folder: Path
    process: subprocess.Popen[bytes]

    def connect(self, source: str = CLIENT) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), SECONDS, (source, 0))

    def name(self, source: str = CLIENT) -> str:
        """Return which server a new client gets; nothing where its connection is closed."""
        try:
            with self.connect(source) as client:
                return client.recv(100).decode()
        except OSError:
            return ""

    def up(self) -> set[str]:
        return {one.name for one in self.haproxy.servers() if one.up}

    def has_asked(self) -> bool:
        return all(database.PASSED in one.check for one in self.haproxy.servers())


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def ends(client: socket.socket) -> bool:
    """Return whether a connection is closed, waiting for it."""
    client.settimeout(SECONDS)
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


def works(client: socket.socket) -> bool:
    client.sendall(b"ping")
    return client.recv(100) == b"ping"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    port, server_port, health = free_port(), free_port(), free_port()
    servers = {name: Server(name, server_port, health) for name in ADDRESSES}
    for server in servers.values():
        server.start()
    own = {
        "port": port,
        "clients": [CLIENT],
        "servers": [
            {"name": name, "address": address, "port": server_port, "health": health}
            for name, address in ADDRESSES.items()
        ],
    }
    text, _ = configuration.complete(text_of(own))
    path = tmp_path / "haproxy.cfg"
    path.write_text(in_folder(text, tmp_path))
    with (tmp_path / "log").open("w") as log:
        command = [process.PROGRAM, "-W", "-f", str(path), "-S", f"{tmp_path}/master.sock"]
        started = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    haproxy = runtime.Haproxy(tmp_path / "database.sock", tmp_path / "master.sock")
    running = Proxy(haproxy, servers, port, tmp_path, started)
    try:
        assert database.serving(haproxy, SECONDS) in ADDRESSES
        wait_for(running.has_asked, "HAProxy has not asked every server")
        yield running
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(SECONDS)
        for server in servers.values():
            server.stop()


@pytest.mark.parametrize(
    ("shared", "listen", "bound"),
    [
        (ALONE, "*", "bind :3306"),
        ({"address": "192.0.2.9", "own": "192.0.2.10"}, "192.0.2.9", "bind 192.0.2.9:3306 transparent"),
        ({"address": "2001:db8::9", "own": "2001:db8::1"}, "::", "bind :::3306 v4v6"),
    ],
)
def test_haproxy_reads_the_configuration(shared: dict[str, str], listen: str, bound: str, tmp_path: Path) -> None:
    six = ":" in shared["address"]
    address = "2001:db8::3{}" if six else "192.0.2.3{}"
    own = {
        "port": 3306,
        "clients": ["2001:db8::21", "192.0.2.21"],
        "servers": [
            {"name": f"db{number}", "address": address.format(number), "port": 3306, "health": 9120}
            for number in (1, 2, 3)
        ],
    }
    text = text_of(own, shared, listen)
    assert f"    {bound}\n" in text
    sources = re.findall(r"server \S+ \S+ check port 9120 source (\S+)", text)
    assert sources == (["[2001:db8::1]" if six else "192.0.2.10"] * 3 if shared["address"] else [])
    path = tmp_path / "haproxy.cfg"
    path.write_text(text)
    done = subprocess.run([process.PROGRAM, "-c", "-f", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_reads_the_unit(tmp_path: Path) -> None:
    path = tmp_path / database.UNIT_FILE.name
    text = rendered("database.service.j2")
    for name in (str(process.DATABASE.configuration), str(process.DATABASE.master)):
        assert name in text
    path.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert path.name not in done.stderr, done.stderr


def test_one_server_gets_all_connections(proxy: Proxy) -> None:
    assert {proxy.name() for _ in range(6)} == {"db1"}


def test_connections_of_other_addresses_are_dropped(proxy: Proxy) -> None:
    assert proxy.name(OTHER) == ""
    assert proxy.name() == "db1"
    assert all(not server.clients for name, server in proxy.servers.items() if name != "db1")


def test_connections_end_when_their_server_leaves_and_when_the_first_one_is_back(proxy: Proxy) -> None:
    """Two servers never have clients for long."""
    with proxy.connect() as first:
        assert first.recv(100) == b"db1"
        assert works(first)
        proxy.servers["db1"].status = 503
        assert ends(first)
    assert proxy.name() == "db2"
    with proxy.connect() as second:
        assert second.recv(100) == b"db2"
        assert works(second)
        # The third one stays without clients when it leaves and comes back.
        proxy.servers["db3"].status = 503
        wait_for(lambda: proxy.up() == {"db2"}, "db3 does not leave")
        assert works(second)
        proxy.servers["db1"].status = 200
        assert ends(second)
    assert proxy.name() == "db1"


def test_no_server_gets_connections_when_none_is_well(proxy: Proxy) -> None:
    for server in proxy.servers.values():
        server.status = 503
    wait_for(lambda: proxy.up() == set(), "the servers do not leave")
    assert proxy.name() == ""
    with pytest.raises(
        process.ConfigurationError,
        match=r"no database host that serves.*db1: .*wrong status.*db3: .*wrong status",
    ):
        database.serving(proxy.haproxy, 0.1)
    with pytest.raises(process.ConfigurationError, match="HAProxy does not answer"):
        database.serving(runtime.Haproxy(proxy.folder / "none"), 0.1)


def test_a_reload_keeps_connections(proxy: Proxy) -> None:
    path = proxy.folder / "haproxy.cfg"
    with proxy.connect() as client:
        assert client.recv(100) == b"db1"
        path.write_text(path.read_text().replace("grove-database ", "changed "))
        proxy.process.send_signal(signal.SIGUSR2)

        def has_read() -> bool:
            try:
                return proxy.haproxy.info()["description"].startswith("changed ")
            except runtime.RuntimeSocketError:
                return False

        wait_for(has_read, "HAProxy does not read its new configuration")
        assert works(client)
        assert proxy.name() == "db1"
        assert proxy.haproxy.has_old_workers()
    wait_for(lambda: not proxy.haproxy.has_old_workers(), "the former process does not end with its last connection")
