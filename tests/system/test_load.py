"""The load client against servers that misbehave on purpose, its report, and the load app."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from load import chart, client, http1, releases, report, run_folder, summary
from load.process import under_load
from load.run_folder import FRESH, KEEP_ALIVE, SLOW, SLOW_KINDS, WAITING, RunFolder, Sample
from load.shown import shown
from load.summary import Summary

REPOSITORY = Path(__file__).parents[2]
NONE = client.Settings(keep_alive=0, fresh=0, slow_clients=0, pause=0.002, timeout=60, seconds=120, requests=100)


def content(code: str = "1", virtualenv: str = "1", configuration: str = "1", late: str = "1") -> bytes:
    """Return the body of the application's answer."""
    named = {"code": code, "virtualenv": virtualenv, "configuration": configuration, "late": late}
    return json.dumps({"release": named, "process": 7, "thread": 8}).encode()


@dataclass
class Request:
    """A request as the server sees it: its place among all requests, and on its connection; both count from 1."""

    number: int
    on_connection: int
    path: str
    keeps_open: bool
    writer: asyncio.StreamWriter

    async def answer(self, body: bytes | None = None, status: str = "200 OK", fields: str = "") -> None:
        """Send a whole answer."""
        body = content() if body is None else body
        self.writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with a reset, as the kernel does for a process that dies with unread data."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.close()


Behaviour = Callable[[Request], Awaitable[None]]


@dataclass
class Server:
    """A small HTTP server whose behaviour is a function. It counts connections and requests."""

    behaviour: Behaviour
    requests: int = 0
    connections: int = 0
    paths: Counter[str] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        on_connection = 0
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                on_connection += 1
                path = head.split(b" ")[1].decode()
                self.paths[path.partition("?")[0]] += 1
                request = Request(self.requests, on_connection, path, b"Connection: close" not in head, writer)
                await self.behaviour(request)
                if not request.keeps_open or writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def run(
    behaviour: Behaviour,
    folder: Path,
    settings: client.Settings,
    during: Callable[[], None] | None = None,
    *,
    until_done: bool = False,
) -> tuple[Server, Summary]:
    """Put load on a server with that behaviour; ``during`` is called in a thread meanwhile, and may end it."""
    server = Server(behaviour)

    async def both() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        load = client.Load(http1.Target.of(f"http://127.0.0.1:{port}/"), RunFolder(folder), settings)
        running = asyncio.create_task(load.run())
        if during:
            while not load.folder.samples.exists():
                await asyncio.sleep(0.001)
            await asyncio.to_thread(during)
            if until_done:
                load.stop("enough")
        await running
        listening.close()

    asyncio.run(both())
    return server, summary.summarize(RunFolder(folder))


async def well(request: Request) -> None:
    """Answer correctly."""
    if request.path.startswith("/slow"):
        await asyncio.sleep(float(request.path.partition("=")[2]))
    await request.answer()


def test_all_kinds_at_once(tmp_path: Path) -> None:
    settings = replace(NONE, keep_alive=2, fresh=3, slow_clients=2, slow=(0.05, 0.1), requests=200)
    server, measured = run(well, tmp_path, settings)
    assert (measured.total.requests, measured.total.failed, measured.run.stopped_by) == (200, 0, "requests")
    assert server.requests == 200
    assert server.paths["/slow"] == measured.by_client[SLOW].requests > 2
    assert measured.run.connections.opened == 2
    assert server.connections == 2 + measured.by_client[FRESH].requests + measured.by_client[SLOW].requests
    assert measured.total.releases == {"1": 200}
    slow = [sample for sample in RunFolder(tmp_path).read_samples() if sample.kind == SLOW]
    assert all(0.05 <= sample.sleep <= sample.seconds for sample in slow)


def test_other_statuses_are_counted_and_shown(tmp_path: Path) -> None:
    async def every_fifth(request: Request) -> None:
        if request.number % 5 == 0:
            await request.answer(b"<h1>no daemon</h1>", "503 Service Unavailable")
        else:
            await request.answer()

    _, measured = run(every_fifth, tmp_path, replace(NONE, keep_alive=1, fresh=1, requests=50))
    assert (measured.total.failed, measured.total.by_outcome) == (10, {"status": 10})
    assert measured.failures[0].detail == "503 <h1>no daemon</h1>"


def test_only_the_first_failures_are_kept_in_detail(tmp_path: Path) -> None:
    async def never(request: Request) -> None:
        await request.answer(status="500 Internal Server Error")

    _, measured = run(never, tmp_path, replace(NONE, fresh=12, requests=70))
    assert (measured.total.failed, len(measured.failures)) == (70, 50)
    assert measured.slowest is None


@pytest.mark.parametrize("place", ["code", "virtualenv", "configuration", "late"])
def test_disagreeing_places_are_mixed(tmp_path: Path, place: str) -> None:
    async def every_tenth(request: Request) -> None:
        await request.answer(content(**{place: "2"}) if request.number % 10 == 0 else None)

    _, measured = run(every_tenth, tmp_path, replace(NONE, keep_alive=1, requests=30))
    assert (measured.total.failed, measured.total.mixed) == (3, 3)
    assert f"{place} 2" in measured.failures[0].detail
    assert measured.total.releases["1"] == 27


def test_an_answer_that_names_no_release_is_a_failure(tmp_path: Path) -> None:
    async def page(request: Request) -> None:
        await request.answer(b"It works!" if request.number == 3 else b'{"release": {"code": "1"}, "process": 1}')

    _, measured = run(page, tmp_path, replace(NONE, keep_alive=1, requests=4))
    assert measured.total.by_outcome == {"malformed": 4}
    assert measured.failures[2].detail == "It works!"


def test_a_reset_of_a_fresh_connection_is_a_failure(tmp_path: Path) -> None:
    async def every_fourth(request: Request) -> None:
        if request.number % 4 == 0:
            request.reset()
        else:
            await request.answer()

    server, measured = run(every_fourth, tmp_path, replace(NONE, fresh=1, requests=20))
    assert measured.total.by_outcome == {"reset": 5}
    assert (measured.total.retried, server.requests) == (0, 20)


def test_a_close_of_a_fresh_connection_is_a_failure_for_keep_alive_clients_too(tmp_path: Path) -> None:
    async def first_on_each(request: Request) -> None:
        request.close()

    server, measured = run(first_on_each, tmp_path, replace(NONE, keep_alive=1, requests=3))
    assert measured.total.by_outcome == {"closed": 3}
    assert (measured.total.retried, server.requests) == (0, 3)


def test_a_race_with_the_close_of_a_kept_connection_is_retried_once_and_counted(tmp_path: Path) -> None:
    async def third_on_each(request: Request) -> None:
        if request.on_connection == 3:
            request.close()
        else:
            await request.answer()

    server, measured = run(third_on_each, tmp_path, replace(NONE, keep_alive=1, requests=30))
    connections = measured.run.connections
    assert (measured.total.requests, measured.total.failed) == (30, 0)
    assert measured.total.retried == connections.retried == server.requests - 30 > 5
    assert connections.opened == connections.retried + 1
    assert len(connections.retry_idle) == connections.retried
    assert all(idle > 0 for idle in connections.retry_idle)


def test_a_retry_that_fails_is_a_failure(tmp_path: Path) -> None:
    async def only_one_answer(request: Request) -> None:
        if request.number == 1:
            await request.answer()
        else:
            request.reset()

    server, measured = run(only_one_answer, tmp_path, replace(NONE, keep_alive=1, requests=2))
    assert measured.total.by_outcome == {"reset": 1}
    assert (measured.failures[0].retried, server.requests) == (True, 3)


def test_an_answer_cut_in_the_middle_is_never_retried(tmp_path: Path) -> None:
    async def cut(request: Request) -> None:
        if request.on_connection < 2:
            await request.answer()
            return
        request.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf of")
        await request.writer.drain()
        if request.number % 2:
            await asyncio.sleep(0.02)
        request.reset() if request.number % 4 < 2 else request.close()

    server, measured = run(cut, tmp_path, replace(NONE, keep_alive=1, requests=12))
    assert measured.total.by_outcome == {"truncated": 6}
    assert (measured.total.retried, server.requests) == (0, 12)


def test_one_byte_of_the_answer_forbids_the_retry(tmp_path: Path) -> None:
    async def one_byte(request: Request) -> None:
        if request.on_connection < 2:
            await request.answer()
            return
        request.writer.write(b"H")
        await request.writer.drain()
        request.reset()

    server, measured = run(one_byte, tmp_path, replace(NONE, keep_alive=1, requests=2))
    assert measured.total.by_outcome == {"truncated": 1}
    assert server.requests == 2


def test_idle_connections_that_the_server_closes_are_no_failure(tmp_path: Path) -> None:
    async def closing(request: Request) -> None:
        await request.answer()
        request.close()

    server, measured = run(closing, tmp_path, replace(NONE, keep_alive=2, pause=0.05, requests=12))
    assert (measured.total.failed, measured.total.retried) == (0, 0)
    assert measured.run.connections.closed_idle == 10
    assert measured.run.connections.opened == server.connections == 12


def test_words_without_a_request_make_a_kept_connection_unusable(tmp_path: Path) -> None:
    async def timing_out(request: Request) -> None:
        await request.answer()
        request.writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

    _, measured = run(timing_out, tmp_path, replace(NONE, keep_alive=1, pause=0.05, requests=4))
    assert (measured.total.failed, measured.run.connections.closed_idle) == (0, 3)


def test_an_announced_close_is_heeded(tmp_path: Path) -> None:
    async def announcing(request: Request) -> None:
        await request.answer(fields="Connection: Close\r\n")

    server, measured = run(announcing, tmp_path, replace(NONE, keep_alive=1, requests=5))
    assert (measured.total.failed, measured.run.connections.announced, server.connections) == (0, 5, 5)


def test_time_outs(tmp_path: Path) -> None:
    async def silent(request: Request) -> None:
        await asyncio.sleep(60)

    settings = replace(NONE, keep_alive=1, fresh=1, slow_clients=1, slow=(0.1, 0.1), timeout=0.2, requests=3)
    _, measured = run(silent, tmp_path, settings)
    assert measured.total.by_outcome == {"timeout": 3}
    durations = {sample.kind: sample.seconds for sample in measured.failures}
    assert all(limit <= durations[kind] < 60 for kind, limit in {KEEP_ALIVE: 0.2, FRESH: 0.2, SLOW: 0.3}.items())


def test_an_upload_that_arrives_in_part_is_a_failure(tmp_path: Path) -> None:
    async def early(request: Request) -> None:
        named = json.loads(content())
        await request.answer(json.dumps({**named, "received": 100}).encode())

    _, measured = run(early, tmp_path, replace(NONE, uploads=1, slow=(1.0, 1.0), requests=1))
    assert measured.total.by_outcome == {"malformed": 1}
    assert measured.failures[0].detail == "100 of 32768 bytes have arrived"


def test_a_connection_that_is_closed_while_its_client_waits_is_a_failure(tmp_path: Path) -> None:
    """The server closes connections that have not sent a request in a moment."""

    async def impatient() -> None:
        async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        listening = await asyncio.start_server(close, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        settings = replace(NONE, waiting=1, slow=(0.2, 0.2), requests=1)
        await client.Load(http1.Target.of(f"http://127.0.0.1:{port}/"), RunFolder(tmp_path), settings).run()
        listening.close()

    asyncio.run(impatient())
    measured = summary.summarize(RunFolder(tmp_path))
    assert measured.by_client[WAITING].failed == measured.total.requests == 1


def test_nothing_listens(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        target = http1.Target.of(f"http://127.0.0.1:{holder.getsockname()[1]}")
        load = client.Load(target, RunFolder(tmp_path), replace(NONE, keep_alive=1, fresh=1, requests=6))
        asyncio.run(load.run())
    assert summary.summarize(RunFolder(tmp_path)).total.by_outcome == {"connect": 6}


def test_ways_to_send_an_answer(tmp_path: Path) -> None:
    body = content()

    async def in_turn(request: Request) -> None:
        match request.number % 4:
            case 0:
                request.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                await request.answer()
            case 1:
                head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                chunks = b"".join(b"%x;a=b\r\n%c\r\n" % (1, byte) for byte in body)
                for byte in head + chunks + b"0\r\nTrailer: x\r\n\r\n":
                    request.writer.write(bytes([byte]))
                    await asyncio.sleep(0)
            case 2:
                request.writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)
                request.close()
            case _:
                await request.answer()

    _, measured = run(in_turn, tmp_path, replace(NONE, keep_alive=1, fresh=1, requests=24))
    assert measured.failures == []


@pytest.mark.parametrize(
    "answer",
    [
        b"220 mail ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * (1 << 17),
    ],
)
def test_other_protocols_are_malformed(tmp_path: Path, answer: bytes) -> None:
    async def other(request: Request) -> None:
        request.writer.write(answer)

    _, measured = run(other, tmp_path, replace(NONE, keep_alive=1, requests=2))
    assert measured.total.by_outcome == {"malformed": 2}


def test_a_run_ends_by_time_and_waits_for_what_is_in_flight(tmp_path: Path) -> None:
    settings = replace(NONE, slow_clients=2, slow=(3.0, 3.0), seconds=2)
    server, measured = run(well, tmp_path, settings)
    total = measured.total
    assert (measured.run.stopped_by, server.requests, total.requests, total.failed) == ("time", 2, 2, 0)
    assert measured.seconds > 3


def test_windows_hold_their_requests_and_show_the_handover(tmp_path: Path) -> None:
    state, answered = {"release": "1"}, list[str]()

    async def replaced(request: Request) -> None:
        release = state["release"]
        if request.number % 50 == 0:
            await asyncio.sleep(0.08)
        await request.answer(content(release, release, release, release))
        answered.append(release)

    def wait_for(number: int) -> None:
        """Wait until so many further requests were answered, and a tenth of a second."""
        wanted, end = len(answered) + number, time.monotonic() + 60
        time.sleep(0.1)
        while len(answered) < wanted:
            assert time.monotonic() < end, "no requests are answered"
            time.sleep(0.01)

    def during() -> None:
        folder = RunFolder(tmp_path)
        time.sleep(0.15)
        with folder.window("switch", "release 2"):
            wait_for(20)
            state["release"] = "2"
            wait_for(20)
        wait_for(60)
        folder.mark("at", "note", "here")
        with folder.window("fault", "nothing <happens>"):
            wait_for(20)

    settings = replace(NONE, keep_alive=2, fresh=2, pause=0.005, requests=10_000)
    _, measured = run(replaced, tmp_path, settings, during, until_done=True)
    switch, fault = measured.windows
    assert (switch.label, fault.kind, measured.total.failed) == ("release 2", "fault", 0)
    assert switch.begin >= 0.15
    assert switch.seconds >= 0.2
    assert set(switch.figures.releases) == {"1", "2"}
    assert set(fault.figures.releases) == {"2"}
    assert fault.handover is None
    assert switch.handover is not None
    assert switch.handover < switch.seconds
    assert measured.slowest is not None
    assert measured.slowest.seconds == measured.total.slowest_fast
    assert measured.slowest.seconds >= 0.08
    inside = switch.figures.requests + fault.figures.requests + measured.outside.requests
    assert inside == measured.total.requests
    written = json.loads(RunFolder(tmp_path).summary.read_text())
    assert written["windows"][0]["figures"]["requests"] == switch.figures.requests
    page = Path(report.write(RunFolder(tmp_path))).read_text()
    assert "requests was answered 200 by one release while traffic was handed over 1 time." in page


def sample(begun: float, seconds: float = 0.01, release: str = "1") -> Sample:
    return Sample(KEEP_ALIVE, 0, begun, begun, seconds, "ok", release)


def test_figures() -> None:
    durations = [number / 100 for number in range(1, 101)]
    assert [summary.percentile(durations, percent) for percent in (50, 99, 100)] == [0.5, 0.99, 1.0]
    assert (summary.percentile([3.0], 99), summary.percentile([], 50)) == (3.0, None)
    mixed = [sample(0), sample(1, release="2"), sample(2), sample(3, release="2")]
    assert summary.handover(mixed) == 1.0
    assert summary.handover([sample(0), sample(1, release="2")]) == 0.0
    assert summary.handover([sample(0), sample(1)]) is None
    assert summary.silence([sample(0), sample(5), sample(6)]) == 5.0
    assert (summary.silence([]), summary.handover([])) == (None, None)


def test_marks_are_checked_and_an_open_window_ends_with_the_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(ValueError, match="no such mark: begin party"):
        folder.mark("begin", "party", "x")

    _, measured = run(well, tmp_path, replace(NONE, keep_alive=1), lambda: folder.mark("begin", "reload", "open"))
    assert measured.windows[0].begin + measured.windows[0].seconds == pytest.approx(measured.seconds, abs=0.01)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (12.34, "12.3 s"),
        (1.0, "1 s"),
        (0.9999, "1 s"),
        (0.1234, "123 ms"),
        (0.00415, "4.15 ms"),
        (2e-5, "20 µs"),
        (0, "0"),
    ],
)
def test_times_for_people(seconds: float, words: str) -> None:
    assert shown(seconds) == words


def test_the_report_is_one_file_and_shows_everything(tmp_path: Path) -> None:
    async def failing(request: Request) -> None:
        if request.number % 20 == 0:
            request.reset()
        elif request.path.startswith("/slow"):
            await well(request)
        else:
            await request.answer(status="502 Bad <Gateway>" if request.number % 31 == 0 else "200 OK")

    folder = RunFolder(tmp_path)

    def during() -> None:
        with folder.window("rollback", "to <1> & back"):
            time.sleep(0.1)
        folder.mark("at", "note", "killed")

    settings = replace(NONE, keep_alive=2, fresh=2, slow_clients=2, slow=(0.05, 0.1), requests=300)
    _, measured = run(failing, tmp_path, settings, during)
    page = Path(report.write(folder)).read_text()
    picture = page[page.index("<svg") : page.index("</svg>") + 6]
    root = ElementTree.fromstring(picture)
    words = " ".join(element.text or "" for element in root.iter() if element.tag.endswith(("}text", "}title")))
    assert "1 to <1> & back" in words
    assert "killed" in words
    assert f"slowest {shown(measured.total.slowest_fast)}" in words
    fast_failures = sum(measured.by_client[kind].failed for kind in (KEEP_ALIVE, FRESH))
    assert picture.count('class="failure"') == fast_failures > 0
    assert "1 to &lt;1&gt; &amp; back" in page
    assert f"{measured.total.failed} of 300 requests failed: " in page
    # Names of namespaces are no addresses, and # and data: stay within the file.
    outside = re.sub(r'xmlns(:xlink)?="[^"]+"|href="(#|data:)|url\(#', "", page)
    assert not re.search(r"<script|<link|<img|@import|url\(|(src|href)=|https?://", outside)


def test_the_report_of_a_run_without_answers(tmp_path: Path) -> None:
    run(well, tmp_path, replace(NONE, seconds=0.1))
    page = Path(report.write(RunFolder(tmp_path))).read_text()
    ElementTree.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])
    assert "No request was sent." in page


SERVE = """
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from load_app.wsgi import application
class Threads(ThreadingMixIn, WSGIServer): daemon_threads = True
class Quiet(WSGIRequestHandler):
    def log_message(self, *words): pass
server = Threads(("127.0.0.1", 0), Quiet)
server.set_app(application)
print(server.server_port, flush=True)
server.serve_forever()
"""


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which a process can import the release in ``folder`` without installing it."""
    source = folder / "source"
    wheel = next((source / "wheels").glob("*.whl"))
    own = {"PYTHONPATH": f"{source}:{wheel}", "LOAD_APP_CONFIG": str(folder / releases.CONFIGURATION)}
    return os.environ | own | {"PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Serve the release in ``folder`` with the standard library; yield the port."""
    command = [sys.executable, "-c", SERVE]
    with subprocess.Popen(command, env=environment(folder), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def get(port: int, path: str) -> tuple[int, dict[str, object]]:
    """Return status and content of the answer to a GET, by the client under test."""

    async def ask() -> http1.Answer:
        target = http1.Target.of(f"http://127.0.0.1:{port}")
        connection = await http1.Connection.open(target)
        try:
            return await connection.exchange(target.request(path, keep=False))
        finally:
            connection.close()

    answer = asyncio.run(ask())
    content: dict[str, object] = json.loads(answer.body)
    return answer.status, content


def test_the_application_names_its_release_four_times(tmp_path: Path) -> None:
    with served(releases.make(tmp_path, 3)) as port:
        status, content = get(port, "/")
        begun = time.monotonic()
        assert get(port, "/slow?seconds=0.3")[1]["release"] == content["release"]
        assert time.monotonic() - begun >= 0.3
        assert [get(port, path)[0] for path in ("/health", "/hang", "/eat", "/slow?seconds=x")] == [200, 404, 404, 400]
    assert (status, content["release"]) == (200, dict.fromkeys(client.PLACES, "3"))
    assert isinstance(content["process"], int)


def test_the_applications_places_are_read_during_the_request(tmp_path: Path) -> None:
    release = releases.make(tmp_path, 3)
    with served(release) as port:
        get(port, "/")
        (release / "source" / "late_module.py").write_text('RELEASE = "4"\n')
        assert get(port, "/")[1]["release"] == {**dict.fromkeys(client.PLACES, "3"), "late": "4"}
        (release / releases.CONFIGURATION).write_text('release = "5"\n')
        assert get(port, "/")[1]["release"] == {"code": "3", "virtualenv": "3", "configuration": "5", "late": "4"}


def test_faults_at_run_time(tmp_path: Path) -> None:
    with served(releases.make(tmp_path, 1, {"health_status": 503, "eat": True, "hang": True})) as port:
        assert [get(port, path)[0] for path in ("/", "/health", "/hang?seconds=0.1")] == [200, 503, 200]
        process = get(port, "/eat?mb=64")[1]["process"]
        resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
        assert resident is not None
        assert int(resident[1]) > 64 << 10


def test_faults_at_import(tmp_path: Path) -> None:
    def load(**faults: bool | float) -> tuple[int, str, float]:
        release = releases.make(tmp_path, 1, faults)
        begun = time.monotonic()
        command = [sys.executable, "-c", "import load_app.wsgi"]
        completed = subprocess.run(command, env=environment(release), capture_output=True, text=True, check=False)
        return completed.returncode, completed.stderr, time.monotonic() - begun

    assert load(import_error=True)[1].endswith("RuntimeError: the configuration asks for an error at import\n")
    assert load(import_error=True, daemon_only=True)[:2] == (0, "")
    assert load(import_seconds=0.5)[2] > 0.5


def test_a_release_is_reproducible_and_installs_without_an_index(tmp_path: Path) -> None:
    first, second, other = (releases.make(tmp_path / name, number) for name, number in (("a", 7), ("b", 7), ("c", 8)))

    def files(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert files(first) == files(second) != files(other)
    offline = {**os.environ, "UV_NO_INDEX": "1", "UV_FIND_LINKS": "", "UV_CACHE_DIR": str(tmp_path / "cache")}
    python = tmp_path / "venv" / "bin" / "python"
    for arguments in (
        ["venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")],
        ["build", "--quiet", "--wheel", "--out-dir", str(tmp_path / "out"), str(first / "source")],
        ["pip", "install", "--quiet", "--python", str(python), str(tmp_path / "out" / "load_app-7-py3-none-any.whl")],
    ):
        subprocess.run([sys.executable, "-m", "uv", *arguments], env=offline, check=True)
    program = "import load_app.wsgi as app; print(*app.places().values())"
    ready = {**offline, "LOAD_APP_CONFIG": str(first / releases.CONFIGURATION)}
    completed = subprocess.run([python, "-I", "-c", program], env=ready, capture_output=True, text=True, check=True)
    assert completed.stdout == "7 7 7 7\n"


@pytest.mark.parametrize("faults", [{"explode": True}, {"hang": 1}, {"health_status": True}])
def test_wrong_faults_are_refused(tmp_path: Path, faults: dict[str, bool | int | float]) -> None:
    with pytest.raises(ValueError, match="fault"):
        releases.make(tmp_path, 1, faults)


def test_the_command_line_runs_until_a_signal(tmp_path: Path) -> None:
    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "tests.load", *arguments]

    release, data = tmp_path / "release", tmp_path / "run"
    subprocess.run(command("release", str(release), "2", "--fault", "health_status=503"), cwd=REPOSITORY, check=True)
    assert "health_status = 503" in (release / releases.CONFIGURATION).read_text()
    with served(release) as port:
        url = f"http://127.0.0.1:{port}"
        options = [
            "--keep-alive",
            "1",
            "--fresh",
            "1",
            "--slow",
            "1",
            "--slow-seconds",
            "0.1",
            "0.2",
            "--pause",
            "0.002",
        ]
        running = subprocess.Popen(
            command("run", url, str(data), *options), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        while running.poll() is None and not (data / "samples.jsonl").exists():
            time.sleep(0.02)
        for edge in ("begin", "end"):
            subprocess.run(command("mark", str(data), edge, "switch", "release 2"), cwd=REPOSITORY, check=True)
        # The client writes its samples in pieces of 64 KiB.
        while running.poll() is None and not (data / "samples.jsonl").stat().st_size:
            time.sleep(0.02)
        running.send_signal(signal.SIGTERM)
        output, _ = running.communicate(timeout=60)
    assert (running.returncode, re.search(r"\d+ requests, 0 failed", output) is not None) == (0, True), output
    subprocess.run(command("report", str(data)), cwd=REPOSITORY, check=True)
    figures = json.loads((data / "summary.json").read_text())
    assert (figures["run"]["stopped_by"], figures["windows"][0]["label"]) == ("SIGTERM", "release 2")
    assert figures["total"]["releases"] == {"2": figures["total"]["requests"]}
    assert "release 2" in (data / "report.html").read_text()


def test_a_block_under_load(tmp_path: Path) -> None:
    options = ("--keep-alive", "2", "--fresh", "1", "--slow", "0", "--pause", "0.002")
    (tmp_path / "marks.jsonl").write_text("of an earlier run")
    with (
        served(releases.make(tmp_path / "release", 4)) as port,
        under_load(f"http://127.0.0.1:{port}", tmp_path, *options) as load,
        load.window("switch", "nothing changes"),
    ):
        # The client writes its samples in pieces of 64 KiB, and the first of them may be of the time before.
        enough, end = load.samples.stat().st_size + (2 << 16), time.monotonic() + 50
        while load.samples.stat().st_size < enough and time.monotonic() < end:
            time.sleep(0.02)
    figures = summary.summarize(load)
    assert figures.total.requests >= figures.windows[0].figures.requests > 10
    assert (figures.total.failed, figures.total.releases) == (0, {"4": figures.total.requests})
    assert load.report.stat().st_size > 5000


def test_streams_uploads_and_clients_that_wait(tmp_path: Path) -> None:
    """Each kind of slow client gets whole answers of the load app, and takes the seconds that it names."""
    options = ["--keep-alive", "1", "--fresh", "1", "--slow", "1", "--streams", "1", "--uploads", "1", "--waiting", "1"]
    with (
        served(releases.make(tmp_path / "release", 4)) as port,
        under_load(f"http://127.0.0.1:{port}", tmp_path, *options, "--slow-seconds", "0.1", "0.6") as load,
    ):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            counts = Counter(json.loads(line)["kind"] for line in load.samples.read_text().splitlines()[:-1])
            if all(counts[kind] >= 2 for kind in SLOW_KINDS):
                break
            time.sleep(0.1)
    measured = summary.summarize(load)
    assert (measured.total.failed, measured.total.by_outcome) == (0, {})
    assert {kind for kind in SLOW_KINDS if measured.by_client[kind].requests >= 2} == set(SLOW_KINDS)
    assert all(0.1 <= sample.sleep <= sample.seconds for sample in load.read_samples() if sample.kind in SLOW_KINDS)


def test_a_block_that_ends_while_the_client_ends(tmp_path: Path) -> None:
    options = ("--keep-alive", "1", "--fresh", "0", "--slow", "0", "--seconds", "0.3")
    with served(releases.make(tmp_path / "release", 4)) as port:
        for number in range(5):
            with under_load(f"http://127.0.0.1:{port}", tmp_path / str(number), *options) as load:
                deadline = time.monotonic() + 60
                while not load.run.exists() and time.monotonic() < deadline:
                    time.sleep(0.001)
            assert summary.summarize(load).run.stopped_by == "time"


def test_a_client_that_cannot_start_reports_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="status 2: load: 'nowhere' is no http or https URL"):
        under_load("nowhere", tmp_path).__enter__()


def test_urls() -> None:
    target = http1.Target.of("https://127.0.0.1/shop/", host="bookstore.example.org")
    assert (target.address, target.port, target.base, target.tls is not None) == ("127.0.0.1", 443, "/shop", True)
    request = target.request("/", keep=True)
    assert (request.method, request.target) == (b"GET", b"/shop/")
    assert (b"host", b"bookstore.example.org") in request.headers
    for wrong in ("ftp://a/", "127.0.0.1:80", "http://a/?b"):
        with pytest.raises(ValueError, match="URL"):
            http1.Target.of(wrong)


def test_every_kind_of_mark_has_a_colour() -> None:
    assert set(chart.KIND_COLOURS) == set(run_folder.MARK_KINDS)
