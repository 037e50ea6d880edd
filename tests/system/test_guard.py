"""The module for slow clients, in a real Apache with the real mod_wsgi: one process with one thread for each path."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.generation import connections
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from httpd_modules import guard_file, mod_wsgi_files
from ports import free_port

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev", "openssl")

MODULES = ("mpm_event", "authz_core", "alias", "reqtimeout", "ssl", "socache_shmcb", "rewrite")
APPLICATION = """
import hashlib, json, os, time
from urllib.parse import parse_qsl
def application(environ, start_response):
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    path = environ["PATH_INFO"]
    content_type, body = "application/json", []
    if path == "/read":
        data = environ["wsgi.input"].read()
        told = {key: environ.get(key) for key in ("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING")}
        body = [json.dumps({"length": len(data), "hash": hashlib.sha256(data).hexdigest(), **told}).encode()]
    elif path == "/large":
        piece = bytes(range(256)) * 256
        body = (piece for _ in range(int(query["pieces"])))
    elif path == "/bursts":
        def bursts():
            for _ in range(6):
                yield bytes(6_000_000)
                time.sleep(0.4)
        body = bursts()
    elif path == "/tiny":
        body = (b"x" * 9000 for _ in range(int(query["pieces"])))
    elif path == "/pieces":
        content_type = query["type"]
        def pieces():
            for number in range(3):
                yield b"%d\\n" % number * 10
                end = time.monotonic() + 60
                while not os.path.exists(query["received"]) and time.monotonic() < end:
                    time.sleep(0.02)
        body = pieces()
    start_response("200 OK", [("Content-Type", content_type)])
    return body
"""
PIECE = bytes(range(256)) * 256
CONFIGURATION = """
ServerRoot {folder}
PidFile run.pid
ServerName localhost
User www-data
Group www-data
{modules}
LoadModule wsgi_module {mod_wsgi}
LoadModule grove_guard_module {buffer}
StartServers {processes}
ServerLimit 2
ThreadsPerChild 64
ThreadLimit 64
MinSpareThreads 1
MaxSpareThreads 128
MaxRequestWorkers 128
Timeout 60
FlushMaxThreshold 262144
RequestReadTimeout handshake=60 header=60-120,MinRate=500 body=120,MinRate=500
ErrorLog error.log
LogLevel info
WSGISocketPrefix {folder}/wsgi
WSGIRestrictEmbedded On
GroveBufferFolder {spool}
GroveAddressConnections 40
GroveAddressExempt 127.0.0.1 ::1 127.0.3.0/24
<Directory />
    Require all granted
</Directory>
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{tls_port}
Listen 127.0.0.1:{impatient_port}
{daemons}
<VirtualHost *:{port}>
    {paths}
    WSGIScriptAlias /strict {folder}/app.wsgi process-group=buffered application-group=%{{GLOBAL}}
    <Location /strict>
        GroveBufferBody 10000000
        GroveLongestUrl 100
        GroveLongestHeader 60
    </Location>
    Alias /renamed {folder}/renamed
    <Location /renamed>
        GroveBufferBody 10000000
        RewriteEngine On
        RewriteRule "" /buffered/read [L]
    </Location>
</VirtualHost>
<VirtualHost *:{tls_port}>
    SSLEngine On
    SSLCertificateFile {folder}/tls.crt
    SSLCertificateKeyFile {folder}/tls.key
    {paths}
</VirtualHost>
<VirtualHost *:{impatient_port}>
    RequestReadTimeout body=2,MinRate=500
    {paths}
</VirtualHost>
"""
BUFFERS = {"buffered": 10_000_000, "small": 100_000, "direct": 0}
"""The paths of the server, and how many bytes are buffered there."""


@dataclass(frozen=True)
class Server:
    """A running Apache."""

    folder: Path
    spool: Path
    port: int
    tls_port: int
    impatient_port: int

    def connect(self, *, tls: bool = False, small: bool = False, impatient: bool = False) -> socket.socket:
        """Return a connection; with ``small`` it takes few bytes before its client reads them.

        With ``impatient``, Apache waits two seconds for the body of a request. Elsewhere, it waits two minutes.
        """
        connection = socket.socket()
        if small:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(60)
        connection.connect(("127.0.0.1", self.tls_port if tls else self.impatient_port if impatient else self.port))
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            return context.wrap_socket(connection)
        return connection

    def ask(self, path: str, body: Any = None, method: str = "GET", **fields: str) -> tuple[int, bytes]:
        """Send a request, with a body that may be an iterable of pieces; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body=body, headers=fields, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    @property
    def parent(self) -> int:
        return int((self.folder / "run.pid").read_text())

    @property
    def children(self) -> list[int]:
        """The processes that serve connections: they hold the listening sockets and do not belong to an application."""
        return [pid for pid in processes.children(self.parent) if threads(pid) > 60]

    @property
    def log(self) -> str:
        return (self.folder / "error.log").read_text()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def with_answer(clients: list[socket.socket]) -> list[socket.socket]:
    """Return the clients for which the server has sent something, or whose connection it has closed."""
    return select.select(clients, [], [], 0)[0]


def threads(pid: int) -> int:
    """Return how many threads a process has; 0 when it is gone."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return 0


def make_certificate(folder: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    more = ["-subj", "/CN=tls", "-keyout", str(folder / "tls.key"), "-out", str(folder / "tls.crt"), "-days", "2"]
    subprocess.run([*command, *more], check=True, capture_output=True)


@contextmanager
def serving(version: str, spool: str = "", processes: int = 1, descriptors: int = 1024) -> Iterator[Server]:
    """Run an Apache; ``spool`` is where the buffers' files are, if not in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="grove-buffers-", dir="/tmp"))
    server = Server(folder, Path(spool or folder / "spool"), free_port(), free_port(), free_port())
    if not spool:
        server.spool.mkdir()
        shutil.chown(server.spool, "www-data")
    folder.chmod(0o755)
    (folder / "app.wsgi").write_text(APPLICATION)
    make_certificate(folder)
    daemons = [f"WSGIDaemonProcess {name} processes=1 threads=1 home=/tmp user=www-data" for name in BUFFERS]
    paths = [
        f"WSGIScriptAlias /{name} {folder}/app.wsgi process-group={name} application-group=%{{GLOBAL}}\n"
        f"<Location /{name}>\nGroveBufferBody {size}\nGroveBufferAnswer {size}\nWSGIChunkedRequest On\n"
        "GroveChunkedBody On\nLimitRequestBody 20000000\n</Location>"
        for name, size in BUFFERS.items()
    ]
    text = CONFIGURATION.format(
        folder=folder,
        modules="\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES),
        mod_wsgi=mod_wsgi_files()[version].resolve(),
        buffer=guard_file(),
        spool=server.spool,
        port=server.port,
        tls_port=server.tls_port,
        impatient_port=server.impatient_port,
        processes=processes,
        daemons="\n".join(daemons),
        paths="\n".join(paths),
    )
    (folder / "httpd.conf").write_text(text)
    limit = ["prlimit", f"--nofile={descriptors}"]
    process = subprocess.Popen(
        [*limit, "/usr/sbin/apache2", "-f", str(folder / "httpd.conf"), "-D", "FOREGROUND"], stdin=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                server.connect().close()
                break
            time.sleep(0.05)
        assert process.poll() is None
        assert [server.ask(f"/{name}/")[0] for name in BUFFERS] == [200] * len(BUFFERS)
        yield server
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving("6.1.1") as running:
        yield running


@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.parametrize("length", [0, 1, 65_535, 65_536, 65_537, 100_000, 300_000, 12_000_000])
def test_a_body_arrives_as_it_was_sent(server: Server, name: str, length: int) -> None:
    data = os.urandom(length)
    expected = {"length": length, "hash": hashlib.sha256(data).hexdigest(), "CONTENT_TYPE": "a/b"}
    status, answer = server.ask(f"/{name}/read", data, "POST", **{"Content-Type": "a/b"})
    assert status == 200
    assert json.loads(answer) == {**expected, "CONTENT_LENGTH": str(length), "HTTP_TRANSFER_ENCODING": None}
    chunked = (data[at : at + 50_000] for at in range(0, length, 50_000))
    status, answer = server.ask(
        f"/{name}/read", chunked, "POST", **{"Content-Type": "a/b", "Transfer-Encoding": "chunked"}
    )
    assert status == 200
    # Where the whole body is read first, the application gets its length.
    told: tuple[str | None, str | None] = (str(length), None) if 0 < length < BUFFERS[name] else (None, "chunked")
    assert json.loads(answer) == {**expected, "CONTENT_LENGTH": told[0], "HTTP_TRANSFER_ENCODING": told[1]}


@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.parametrize("pieces", [0, 1, 2, 300])
def test_an_answer_arrives_as_it_was_written(server: Server, name: str, pieces: int) -> None:
    assert server.ask(f"/{name}/large?pieces={pieces}") == (200, PIECE * pieces)


@pytest.mark.parametrize("length", [10, 70_000, 3_000_000])
def test_a_body_survives_an_internal_redirect(server: Server, length: int) -> None:
    data = os.urandom(length)
    status, answer = server.ask("/renamed/x", data, "POST")
    assert status == 200
    assert json.loads(answer)["hash"] == hashlib.sha256(data).hexdigest()


def read_all(client: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    return b"".join(iter(lambda: client.recv(1 << 20), b""))


@pytest.mark.parametrize(("name", "waits"), [("buffered", False), ("direct", True)])
def test_clients_that_send_slowly(server: Server, name: str, waits: bool) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(3 if waits else 20)]
        head = f"POST /{name}/read HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999\r\n\r\n"
        for client in clients:
            client.sendall(head.encode())
        # Where the application waits for its client, it does not come to the others.
        wait_until(lambda: len(with_answer(clients)) >= (1 if waits else len(clients)))
        sending = with_answer(clients)
        for client in sending:
            assert client.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n")
            client.sendall(b"slow")
        with ThreadPoolExecutor(1) as pool:
            other = pool.submit(server.ask, f"/{name}/")
            if waits:
                time.sleep(1)
                assert not other.done()
                stack.close()
            assert other.result()[0] == 200
        # The server ends their bodies after two minutes: the other one did not wait for that.
        assert waits or with_answer(sending) == []


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(("name", "waits"), [("buffered", False), ("direct", True)])
def test_clients_that_read_slowly(server: Server, name: str, waits: bool, tls: bool) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect(tls=tls, small=True)) for _ in range(4)]
        for client in clients:
            client.sendall(f"GET /{name}/large?pieces=128 HTTP/1.0\r\n\r\n".encode())
        # Where the application waits for its client, it does not come to the others.
        wait_until(lambda: len(with_answer(clients)) >= (1 if waits else len(clients)))
        with ThreadPoolExecutor(5) as pool:
            other = pool.submit(server.ask, f"/{name}/")
            if waits:
                time.sleep(1)
                assert not other.done()
            else:
                assert other.result()[0] == 200
            # A late reader gets all of it.
            answers = [answer.partition(b"\r\n\r\n")[2] for answer in pool.map(read_all, clients)]
        assert [len(answer) for answer in answers] == [128 * len(PIECE)] * 4
        assert answers == [PIECE * 128] * 4
    assert list(server.spool.iterdir()) == []


def test_an_answer_that_is_larger_than_the_buffer_waits_for_its_client(server: Server) -> None:
    with server.connect(small=True) as client:
        client.sendall(b"GET /small/large?pieces=200 HTTP/1.0\r\n\r\n")
        time.sleep(0.5)
        received = read_all(client)
    assert received.partition(b"\r\n\r\n")[2] == PIECE * 200


def kept_files(pid: int) -> list[Path]:
    """Return the descriptors of a process that are files of buffers."""
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if "grove-buffer-" in os.readlink(path):
                found.append(path)
    return found


def test_a_long_answer_occupies_no_more_than_its_buffer(server: Server) -> None:
    """The client takes as much as the handler writes, a burst later: 36 MB pass through a buffer of 10 MB."""
    [pid] = server.children
    most = 0

    def is_occupied() -> bool:
        nonlocal most
        for path in kept_files(pid):
            with contextlib.suppress(OSError):
                most = max(most, path.stat().st_blocks * 512)
        return most > 0

    with server.connect(small=True) as client, ThreadPoolExecutor(1) as pool:
        client.sendall(b"GET /buffered/bursts HTTP/1.0\r\n\r\n")
        # The first burst waits for its client.
        wait_until(is_occupied)
        reading = pool.submit(read_all, client)
        while not reading.done():
            is_occupied()
            time.sleep(0.02)
    assert reading.result().partition(b"\r\n\r\n")[2] == bytes(36_000_000)
    assert most < 11_000_000


def test_a_restart_leaves_waiting_answers_alone() -> None:
    with serving("6.1.1") as server, server.connect(small=True) as client:
        client.sendall(b"GET /buffered/large?pieces=120 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        [pid] = server.children
        wait_until(lambda: bool(kept_files(pid)))
        assert server.ask("/buffered/")[0] == 200
        started = "resuming normal operations"
        before = server.log.count(started)
        os.kill(server.parent, signal.SIGUSR1)
        wait_until(lambda: server.log.count(started) > before and bool({*server.children} - {pid}))
        assert server.ask("/buffered/")[0] == 200
        assert len(kept_files(pid)) == 1
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.read() == PIECE * 120


def private_kilobytes(pid: int) -> int:
    return int(re.findall(r"Private_Dirty: +(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text())[0])


def test_answers_that_wait_need_little_memory() -> None:
    """What a client has not taken is in a file and not in the memory of Apache's process."""
    with serving("6.1.1") as server, ExitStack() as stack:
        [pid] = server.children
        before = private_kilobytes(pid)
        for _ in range(24):
            client = stack.enter_context(server.connect(small=True))
            client.sendall(b"GET /buffered/large?pieces=120 HTTP/1.0\r\n\r\n")
        wait_until(lambda: len(kept_files(pid)) == 24)
        assert server.ask("/buffered/")[0] == 200
        assert (private_kilobytes(pid) - before) / 24 < 250


def test_a_long_answer_needs_no_more_memory_than_a_short_one() -> None:
    with serving("6.1.1") as server:
        [pid] = server.children
        server.ask("/buffered/tiny?pieces=10")
        before = private_kilobytes(pid)
        with server.connect() as client:
            client.sendall(b"GET /buffered/tiny?pieces=60000 HTTP/1.0\r\n\r\n")
            received = 0
            while received < 9000 * 59_000:
                received += len(client.recv(1 << 20))
            assert private_kilobytes(pid) - before < 1000
            read_all(client)


def test_buffers_leave_descriptors_for_connections() -> None:
    with serving("6.1.1", descriptors=160) as server, ExitStack() as stack:
        [pid] = server.children
        for _ in range(60):
            client = stack.enter_context(server.connect(small=True))
            client.sendall(b"POST /buffered/read HTTP/1.1\r\nHost: x\r\nContent-Length: 999999\r\n\r\n" + bytes(99_999))
        wait_until(lambda: len(kept_files(pid)) > 5)
        time.sleep(1)
        assert server.children == [pid]
        assert 5 < len(kept_files(pid)) < 60
        assert all(int(path.name) < 80 for path in kept_files(pid))


@pytest.mark.parametrize("name", ["buffered", "direct"])
@pytest.mark.parametrize("kind", ["text/plain", "text/event-stream"])
def test_pieces_of_an_answer_arrive_at_once(server: Server, name: str, kind: str) -> None:
    """The application goes on after the client has the first piece."""
    file = server.folder / f"received-{os.urandom(8).hex()}"
    with server.connect() as client:
        client.settimeout(30)
        client.sendall(f"GET /{name}/pieces?type={kind}&received={file} HTTP/1.0\r\n\r\n".encode())
        received = b""
        while b"0\n" * 10 not in received:
            received += client.recv(1000)
        assert b"1\n" not in received
        file.touch()
        # The thread of the application is free again.
        assert read_all(client).endswith(b"1\n" * 10 + b"2\n" * 10)


@pytest.mark.parametrize("name", ["buffered", "direct"])
def test_a_client_that_asks_before_it_sends(server: Server, name: str) -> None:
    fields = "Host: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"
    head = "POST /{}/read HTTP/1.1\r\n" + fields
    with server.connect() as client:
        client.sendall(head.format(name, 5).encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n")
        client.sendall(b"hello")
        assert b'"length": 5' in read_all(client)
    with server.connect() as client:
        client.sendall(head.format(name, 20_000_001).encode())
        assert client.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("name", ["buffered", "small", "direct"])
def test_a_body_that_is_too_large(server: Server, name: str) -> None:
    with server.connect() as client:
        client.sendall(f"POST /{name}/read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(20):
            client.sendall(b"f4240\r\n" + bytes(1_000_000) + b"\r\n")
        client.sendall(b"1\r\nx\r\n0\r\n\r\nGET /smuggled HTTP/1.0\r\n\r\n")
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert server.ask(f"/{name}/")[0] == 200


def chunked_request(path: str, *headers: str, body: str = "5\r\nhello\r\n0\r\n\r\n") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("name", BUFFERS)
def test_trailers_and_extensions_are_left_out(server: Server, name: str) -> None:
    body = "2;name=value\r\nhe\r\n3\r\nllo\r\n0\r\nX-Auth-Token: late\r\nContent-Length: 99\r\n\r\n"
    with server.connect() as client:
        lines = ("Transfer-Encoding: chunked", "Trailer: X-Auth-Token")
        client.sendall(chunked_request(f"/{name}/read", *lines, body=body))
        _, _, answer = read_all(client).partition(b"\r\n\r\n")
    shown = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
    assert (shown["length"], shown["CONTENT_LENGTH"]) == (5, None if name == "direct" else "5")


@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("Transfer-Encoding: gzip, chunked",), 501),
        (("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 501),
        (("Transfer-Encoding: chunked, gzip",), 400),
        (("Transfer-Encoding: gzip",), 400),
    ],
)
def test_other_codings_of_a_body(server: Server, name: str, headers: tuple[str, ...], status: int) -> None:
    with server.connect() as client:
        client.sendall(chunked_request(f"/{name}/read", *headers))
        answer = read_all(client)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("name", BUFFERS)
@pytest.mark.parametrize("length", [0, 5, 40])
def test_a_body_with_a_length_and_chunks_is_no_second_request(server: Server, name: str, length: int) -> None:
    body = "5\r\nhello\r\n0\r\n\r\nGET /buffered/ HTTP/1.1\r\nHost: x\r\n\r\n"
    with server.connect() as client:
        lines = (f"Content-Length: {length}", "Transfer-Encoding: chunked")
        client.sendall(chunked_request(f"/{name}/read", *lines, body=body).replace(b"Connection: close\r\n", b""))
        answer = read_all(client)
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", ["/strict/read", "/strict/"])
def test_chunks_that_a_place_does_not_take(server: Server, path: str) -> None:
    with server.connect() as client:
        # Nothing of the body is read: the client has not even sent it.
        client.sendall(chunked_request(path, "Transfer-Encoding: chunked", body=""))
        assert read_all(client).startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/strict/" + 92 * "x", {}, 200),
        ("/strict/" + 93 * "x", {}, 414),
        ("/strict/?" + 91 * "x", {}, 200),
        ("/strict/?" + 92 * "x", {}, 414),
        ("/strict/", {"X-Long": 53 * "x"}, 200),
        ("/strict/", {"X-Long": 54 * "x"}, 400),
        ("/buffered/" + 200 * "x", {"X-Long": 200 * "x"}, 200),
    ],
)
def test_the_head_of_a_request(server: Server, path: str, fields: dict[str, str], status: int) -> None:
    assert server.ask(path, **fields)[0] == status


def test_a_body_that_never_ends(server: Server) -> None:
    # What ended in the middle of a body before is in the log already.
    wait_until_closed(server)
    begun = len(server.log)
    with server.connect(impatient=True) as client:
        client.sendall(b"POST /buffered/read HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nslow")
        assert client.recv(100).startswith(b"HTTP/1.1 408 ")
    with server.connect() as client:
        client.sendall(b"POST /buffered/read HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nslow")
    with server.connect() as client:
        client.sendall(b"POST /buffered/read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    ended = "grove_guard: the body ended after"
    wait_until(lambda: server.log[begun:].count(ended) >= 3)
    assert server.log[begun:].count(ended) == 3


def test_the_next_request_of_the_connection(server: Server) -> None:
    with server.connect() as client:
        post = b"POST /buffered/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + bytes(70_000)
        client.sendall(post % b"read" + post % b"" + b"GET /buffered/ HTTP/1.0\r\n\r\n")
        received = read_all(client)
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert b'"length": 70000' in received


@pytest.mark.parametrize("name", BUFFERS)
def test_the_next_request_after_chunks(server: Server, name: str) -> None:
    post = chunked_request(f"/{name}/%s", "Transfer-Encoding: chunked").replace(b"Connection: close\r\n", b"")
    with server.connect() as client:
        client.sendall(post % b"read" + post % b"" + post % b"read" + f"GET /{name}/ HTTP/1.0\r\n\r\n".encode())
        received = read_all(client)
    assert received.count(b"HTTP/1.1 200 OK") == 4
    assert received.count(b'"length": 5') == 2


def open_many(server: Server, address: str, number: int, stack: ExitStack, closed: int = 0) -> None:
    """Open connections from an address, of which the server closes so many."""
    clients = []
    for _ in range(number):
        client = stack.enter_context(socket.socket())
        client.bind((address, 0))
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET /buffered/ HTTP/1.1\r\nHost: x\r\n")
        clients.append(client)
    wait_until(lambda: len(with_answer(clients)) >= closed)
    time.sleep(0.5)
    ended = with_answer(clients)
    assert len(ended) == closed
    for client in ended:
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


def wait_until_closed(server: Server) -> None:
    """Wait until the server has no connection of an earlier client."""
    wait_until(lambda: connections.to_ports({server.port, server.tls_port, server.impatient_port}) == set())


def test_the_connections_of_an_address(server: Server) -> None:
    for _ in range(2):
        with ExitStack() as stack:
            open_many(server, "127.0.0.2", 44, stack, closed=4)
            # Other clients are served; this one has no connection left.
            assert server.ask("/buffered/")[0] == 200
            open_many(server, "127.0.0.2", 1, stack, closed=1)
            open_many(server, "127.0.0.4", 1, stack)
        # Closed connections do not count.
        wait_until_closed(server)
    [line] = set(re.findall(r"grove_guard: (127\.0\.0\.2) has 4\d connections; .* allows 40", server.log))
    assert line


def sockets(pid: int) -> int:
    return len(processes.socket_inodes(pid))


def test_the_connections_of_a_process_that_was_killed() -> None:
    with serving("6.1.1", processes=2) as server:
        with ExitStack() as stack:
            open_many(server, "127.0.0.2", 40, stack)
            killed = max(server.children, key=sockets)
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda: killed not in server.children and len(server.children) == 2)
        wait_until_closed(server)
        with ExitStack() as stack:
            open_many(server, "127.0.0.2", 40, stack)
            open_many(server, "127.0.0.2", 1, stack, closed=1)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.3.9"])
def test_addresses_without_a_limit(server: Server, address: str) -> None:
    with ExitStack() as stack:
        open_many(server, address, 50, stack)


def arrives_whole(server: Server, complaint: str) -> None:
    """Send a body of 3 MB, and read an answer of 9 MB late; the server complains of each, as the pattern says."""

    def complaints() -> int:
        return len(re.findall(f"grove_guard: ({complaint})", server.log))

    data = os.urandom(3_000_000)
    _, answer = server.ask("/buffered/read", data, "POST")
    assert json.loads(answer)["hash"] == hashlib.sha256(data).hexdigest()
    with server.connect(small=True) as client:
        client.sendall(b"GET /buffered/large?pieces=140 HTTP/1.0\r\n\r\n")
        wait_until(lambda: complaints() >= 2)
        received = read_all(client)
    assert received.partition(b"\r\n\r\n")[2] == PIECE * 140
    assert complaints() == 2


def test_a_folder_that_cannot_be_written() -> None:
    with serving("6.1.1", spool="/proc") as server:
        arrives_whole(server, "no file in /proc")


@pytest.mark.parametrize(
    ("filled", "reason"), [(0, "cannot write|less than 10 %"), (990_000, "less than 10 % of the file system is free")]
)
def test_a_file_system_that_is_full(tmp_path: Path, filled: int, reason: str) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs", str(tmp_path)]
    completed = subprocess.run(mount, capture_output=True, text=True, check=False)
    if completed.returncode:
        pytest.skip(f"a file system of one megabyte cannot be mounted here: {completed.stderr.strip()}")
    try:
        (tmp_path / "file").write_bytes(bytes(filled))
        for folder in tmp_path.parents[:2]:
            folder.chmod(0o755)
        with serving("6.1.1", spool=str(tmp_path)) as server:
            arrives_whole(server, reason)
            assert [path.name for path in tmp_path.iterdir()] == ["file"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_the_distributions_mod_wsgi() -> None:
    with serving("4.9.4") as server:
        test_a_body_arrives_as_it_was_sent(server, "buffered", 300_000)
        test_an_answer_arrives_as_it_was_written(server, "buffered", 300)
        test_clients_that_send_slowly(server, "buffered", waits=False)
        test_clients_that_read_slowly(server, "buffered", waits=False, tls=False)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("GroveBufferBody much", "GroveBufferBody takes a number of bytes, not much"),
        ("GroveChunkedBody perhaps", "GroveChunkedBody must be On or Off"),
        ("GroveLongestUrl -1", "GroveLongestUrl takes a number of bytes, not -1"),
        ("GroveBufferAnswer -1", "GroveBufferAnswer takes a number of bytes, not -1"),
        ("GroveAddressConnections -1", "GroveAddressConnections takes a number from 0 to 1000000, not -1"),
        ("GroveAddressExempt 10.0.0.0/99", "GroveAddressExempt takes addresses and networks, not 10.0.0.0/99"),
        ("<Location /x>\nGroveBufferFolder /tmp\n</Location>", "GroveBufferFolder"),
    ],
)
def test_directives_are_checked(tmp_path: Path, line: str, reason: str) -> None:
    modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in MODULES[:2])
    path = tmp_path / "httpd.conf"
    path.write_text(f"{modules}\nLoadModule grove_guard_module {guard_file()}\nServerName x\nListen 1\n{line}\n")
    completed = subprocess.run(
        ["/usr/sbin/apache2", "-t", "-f", str(path)], capture_output=True, text=True, check=False
    )
    assert completed.returncode != 0
    assert reason in completed.stderr
