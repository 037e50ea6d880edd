"""Logs of a real Apache and of real applications behind it."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import front_server
import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.logs import ends
from front_server import Front, running
from httpd_modules import REPOSITORY
from system.test_templates import ONE, TWO, app, make_certificate, mod_wsgi

pytestmark = pytest.mark.debian_packages("apache2", "apache2-dev", "python3-dev", "openssl")
__all__ = ["mod_wsgi"]

PORT, OTHER, ALONE = 18401, 18402, 18411
APP_WSGI = """
import os, sys
RELEASE = os.path.dirname(os.path.realpath(__file__))
sys.path.append(RELEASE + "/runtime")
from grove_runtime import launch, own_log, serving
sys.path.remove(RELEASE + "/runtime")
launch.enter(RELEASE)
own_log.begin(RELEASE)
from diary import application
application = serving.wrap(application, RELEASE)
"""
DIARY = """
import json, logging, os, subprocess, sys, threading, time, traceback, warnings

TEXTS = ["Grüße aus Köln", json.dumps({"file": "C:\\\\temp", "said": 'a "word"'}), "long " + "z" * 12000 + " end"]

def lazy(start_response):
    start_response("200 OK", [])
    yield b"begun"
    print("in the middle", file=sys.stderr)
    raise ValueError("zu spät")

def application(environ, start_response):
    path, errors = environ["PATH_INFO"], environ["wsgi.errors"]
    ways = {
        "print": print,
        "stderr": lambda text: print(text, file=sys.stderr),
        "errors": lambda text: errors.write(text + "\\n"),
        "logging": logging.warning,
        "warning": warnings.warn,
        "bytes": lambda text: sys.stderr.buffer.write(text.encode() + b"\\n"),
        "descriptor": lambda text: os.write(2, text.encode() + b"\\n"),
        "program": lambda text: subprocess.run(["cat"], input=text.encode() + b"\\n", check=True),
    }
    if path == "/raise":
        raise ValueError("Grüße")
    if path == "/lazy":
        return lazy(start_response)
    if path == "/thread":
        thread = threading.Thread(target=int, args=("kein ü",))
        thread.start()
        thread.join()
    elif path == "/many":
        for number in range(200):
            print(environ["QUERY_STRING"], number, "y" * 9000, "end")
    elif path == "/flood":
        for number in range(4000):
            print("flood", number, "w" * 1000)
    elif path[1:] in ways:
        for text in TEXTS:
            ways[path[1:]](text)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"errors": type(errors).__name__, "environ": [key for key in environ if "GROVE" in key],
        "id": environ.get("HTTP_X_REQUEST_ID"), "mod_wsgi": environ["mod_wsgi.request_id"]}).encode()]
"""
BROKEN = 'raise RuntimeError("keine Datenbank für Köln")\n'
TEXTS = ["Grüße aus Köln", json.dumps({"file": "C:\\temp", "said": 'a "word"'}), "long " + "z" * 12000 + " end"]
LINE = re.compile(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z (blue|green)/\d+ (\S+) ")
MAX_LOG = 4 << 20


def make_release(folder: Path, name: str, venv: Path, module: str) -> None:
    """Make the folder of an application with a release that has Grove's own code in it."""
    release, logs = folder / "releases" / "one", folder / "logs"
    for part in ("extras", "runtime"):
        (release / part).mkdir(parents=True)
    (release / "venv").symlink_to(venv)
    shutil.copytree(REPOSITORY / "wsgi/grove_runtime", release / "runtime/grove_runtime")
    (release / "extras" / "diary.py").write_text(module)
    (release / "RELEASE.json").write_text('{"id": "0123456789ab"}')
    (release / "app.wsgi").write_text(APP_WSGI)
    commands = {"environment": {}, "extras": True, "home": "/", "argv": [], "state": "/tmp", "max_log": MAX_LOG}
    (release / "commands.json").write_text(json.dumps({**commands, "logs": str(logs), "log_days": 14}))
    logs.mkdir(mode=0o750)
    shutil.chown(logs, name, name)
    (folder / "slots").mkdir()
    for colour in ("blue", "green"):
        (folder / "slots" / colour).symlink_to("../releases/one")
    shutil.copy(REPOSITORY / "wsgi" / "slot.wsgi", folder)


@contextlib.contextmanager
def served(modules: dict[str, Path], apps: dict[str, str], port: int = PORT, **variables: Any) -> Iterator[Front]:
    """Serve applications, whose modules are given by name, on the ports from ``port`` on."""

    def make(place: Path, name: str, venv: Path) -> None:
        make_release(place, name, venv, apps[name])

    records = [app(name, listen=port + place, processes=2, threads=4) for place, name in enumerate(apps)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(front_server, "make_app", make)
        with running(modules, records, wsgi_app_door=f"127.0.0.1:{port + 9}", **variables) as front:
            yield front


@pytest.fixture(scope="module")
def front(mod_wsgi: dict[str, Path]) -> Iterator[Front]:
    """Two applications: one that writes, and one that cannot be loaded."""
    with served(mod_wsgi, {ONE: DIARY, TWO: BROKEN}) as running_front:
        yield running_front


def own_log(front: Front, name: str = ONE) -> str:
    """Return all lines of an application's own log, the oldest first."""
    folder = front.root / "srv" / name / "logs"
    text = ""
    for file in [*sorted(folder.glob("output.log-*")), folder / "output.log"]:
        # A process may remove it, or give it another name, at this moment.
        with contextlib.suppress(FileNotFoundError):
            text += file.read_bytes().decode()
    return text


def wait_for(attempt: Callable[[], bool]) -> None:
    """Wait until ``attempt`` is true."""
    end = time.monotonic() + 60
    while not attempt():
        assert time.monotonic() < end, "this took too long"
        time.sleep(0.05)


@pytest.mark.parametrize("way", ["print", "stderr", "errors", "logging", "warning", "bytes", "descriptor", "program"])
def test_a_text_arrives_as_it_was_written(front: Front, way: str) -> None:
    before = len(own_log(front))
    answer = front.ask(PORT, f"/{way}")
    assert answer.status == 200
    written = own_log(front)[before:]
    for text in TEXTS:
        assert text in written.replace("\n", " \n"), way
    ids = {match[2] for match in LINE.finditer(written)}
    assert ids == (set() if way in ("descriptor", "program") else {json.loads(answer.body)["mod_wsgi"]})
    assert "Gr\\xc3" not in front.error_log()


@pytest.mark.parametrize(
    ("path", "exception"), [("/raise", "ValueError: Grüße"), ("/lazy", "ValueError: zu spät"), ("/thread", "ü")]
)
def test_an_exception_is_in_the_log_in_one_piece(front: Front, path: str, exception: str) -> None:
    before = len(own_log(front))
    front.ask(PORT, path)
    written = own_log(front)[before:]
    ids = {match[2] for match in LINE.finditer(written)}
    assert len(ids) == 1
    lines = LINE.sub("", written).splitlines()
    first = lines.index("Traceback (most recent call last):")
    assert lines[-1].startswith("ValueError: ")
    assert exception in lines[-1]
    assert all(line.startswith(" ") for line in lines[first + 1 : -1])
    # Apache's log says where the rest is, and does not repeat it.
    wait_for(lambda: path == "/thread" or f"output.log, request {next(iter(ids))}" in front.error_log())
    assert "Gr\\xc3" not in front.error_log()


def test_an_application_that_cannot_be_loaded_says_why(front: Front) -> None:
    assert front.ask(OTHER, "/").status == 500
    assert "\nRuntimeError: keine Datenbank für Köln\n" in LINE.sub("", own_log(front, TWO))


def test_processes_of_both_slots_write_one_log(front: Front) -> None:
    """Many threads of both slots write long lines at the same time; every line is whole, and none is missing."""
    folder = front.root / "srv" / ONE
    before = len(own_log(front))
    script = "import sys, http.client, threading\n"
    script += "def ask(name):\n    c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n"
    script += "    c.request('GET', '/many?' + name)\n    assert c.getresponse().status == 200\n"
    script += "[t.start() for t in [threading.Thread(target=ask, args=(sys.argv[2] + str(n),)) for n in range(4)]]\n"
    (folder / "slot.map").write_text(f"live {ONE}-blue\n")
    clients = [subprocess.Popen(["python3", "-c", script, str(PORT), "b"])]
    wait_for(lambda: re.search(r"(?m) blue/\d+ \S+ b\d ", own_log(front)) is not None)
    (folder / "slot.map.new").write_text(f"live {ONE}-green\n")
    os.replace(folder / "slot.map.new", folder / "slot.map")
    clients.append(subprocess.Popen(["python3", "-c", script, str(PORT), "g"]))
    # In the end, the lines of either slot may have been dropped: the limit of the log is smaller than all of them.
    wait_for(lambda: re.search(r"(?m) green/\d+ \S+ g\d ", own_log(front)) is not None)
    assert [client.wait(600) for client in clients] == [0, 0]
    written = own_log(front)
    assert len(written) > before
    pattern = r"(?m)^\S+Z (blue|green)/\d+ \S+ ([bg]\d) (\d+) (y{9000}) end$"
    found = re.findall(pattern, written)
    assert found
    assert written.count("y" * 9000) == len(found)
    assert {name for _, name, number, _ in found if number == "199"} >= {"g0"} or len(found) > 300


def test_who_may_read_and_write_the_log(front: Front) -> None:
    front.ask(PORT, "/print")
    file = front.root / "srv" / ONE / "logs" / "output.log"
    status = file.stat()
    assert (status.st_mode & 0o7777, pwd.getpwuid(status.st_uid).pw_name) == (0o640, ONE)
    reading = subprocess.run(["runuser", "-u", TWO, "--", "cat", file], capture_output=True, text=True, check=False)
    assert "Permission denied" in reading.stderr


def test_a_flood_stays_within_the_limit(front: Front) -> None:
    assert front.ask(PORT, "/flood").status == 200
    files = list((front.root / "srv" / ONE / "logs").iterdir())
    # Other processes go on with a full file while one of them gives it another name.
    assert sum(file.stat().st_size for file in files) <= MAX_LOG * 1.05
    assert "flood 3999 www" in own_log(front)


def test_a_full_disk_does_not_stop_the_application(mod_wsgi: dict[str, Path]) -> None:
    """The log's folder is a file system of one megabyte, which another file fills."""
    with served(mod_wsgi, {ONE: DIARY}, ALONE) as small:
        folder = small.root / "srv" / ONE / "logs"
        account = pwd.getpwnam(ONE)
        options = f"size=1m,mode=750,uid={account.pw_uid},gid={account.pw_gid}"
        mounting = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
        completed = subprocess.run(mounting, capture_output=True, text=True, check=False)
        if completed.returncode:
            pytest.skip(f"a file system of one megabyte cannot be mounted here: {completed.stderr.strip()}")
        try:
            filler = folder / "filler"
            with contextlib.suppress(OSError):
                filler.write_bytes(b"x" * (2 << 20))
            assert filler.stat().st_size == 1 << 20
            for path in ("/print", "/logging", "/errors", "/warning"):
                assert small.ask(ALONE, path).status == 200, path
            # What the log does not take, Apache's log does.
            assert small.ask(ALONE, "/raise").status == 500
            wait_for(lambda: "ValueError: Gr" in small.error_log())
            filler.unlink()
            for _ in range(8):
                assert small.ask(ALONE, "/print").status == 200
            assert "could not be written: No space left on device" in own_log(small)
            assert TEXTS[2] in own_log(small)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_planted_link_leads_nowhere(mod_wsgi: dict[str, Path]) -> None:
    with tempfile.TemporaryDirectory() as elsewhere, served(mod_wsgi, {ONE: DIARY}, ALONE) as hostile:
        os.chmod(elsewhere, 0o777)
        target = Path(elsewhere, "target")
        target.write_text("")
        target.chmod(0o666)
        file = hostile.root / "srv" / ONE / "logs" / "output.log"
        file.unlink(missing_ok=True)
        file.symlink_to(target)
        assert hostile.ask(ALONE, "/print").status == 200
        assert target.read_text() == ""


def access_lines(front: Front, name: str, token: str) -> list[Any]:
    """Return the lines of an access log, read as JSON, in which ``token`` stands."""
    path = front.root / "logs" / f"{name}-access.log"

    def lines() -> list[str]:
        # What follows the last end of a line is a line that is being written.
        whole = path.read_bytes().rpartition(b"\n")[0] if path.exists() else b""
        return [line for line in whole.decode().splitlines() if token in line]

    wait_for(lambda: bool(lines()))
    return [json.loads(line) for line in lines()]


def test_a_line_of_the_access_log(front: Front) -> None:
    answer = front.ask(PORT, "/seen?a=1", "User-Agent: tester", "Referer: http://a.example/?b")
    [line] = access_lines(front, ONE, "/seen?a=1")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4}", line.pop("time"))
    assert 0 <= line.pop("queue_ms") <= line["ms"] + 1
    assert 0 <= line.pop("app_ms") <= line.pop("ms") + 1
    shown = json.loads(answer.body)
    assert line.pop("id") == shown["id"] == shown["mod_wsgi"] == answer.headers["x-request-id"][0]
    assert line == {
        "id_in": None,
        "client": "127.0.0.1",
        "peer": "127.0.0.1",
        "user": None,
        "host": "127.0.0.1",
        "request": "GET /seen?a=1 HTTP/1.1",
        "status": 200,
        "bytes": len(answer.body),
        "app": ONE,
        "slot": line["slot"],
        "release": "0123456789ab",
        "tls": None,
        "referer": "http://a.example/?b",
        "agent": "tester",
    }
    assert line["slot"] in ("blue", "green")
    assert "x-grove-log" not in answer.headers
    assert shown["environ"] == []


def test_the_signal_that_ended_a_process(front: Front) -> None:
    """Apache tells it of every signal but those by which mod_wsgi ends a process itself."""

    def daemon() -> int:
        parent = (front.root / "run" / "pid").read_text().strip()
        command = ["pgrep", "--parent", parent, "--euid", ONE]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0])

    def found() -> list[ends.End]:
        return list(ends.ends((front.root / "logs" / "error.log").read_text().splitlines(), ONE))

    def is_gone(process: int) -> bool:
        return not Path(f"/proc/{process}").exists()

    expected: list[tuple[int, str]] = []
    for number in (signal.SIGSEGV, signal.SIGTERM, signal.SIGKILL):
        process = daemon()
        os.kill(process, number)
        wait_for(functools.partial(is_gone, process))
        if number != signal.SIGTERM:
            expected.append((process, number.name))
            wait_for(lambda: [(end.process, end.name) for end in found()] == expected)
    assert {end.slot for end in found()} <= {"blue", "green"}


SECRET = "s3cr3t"
URLS = {
    "/a?token=SECRET": "/a?token=***",
    "/a?x=1&Password=SECRET&y=2": "/a?x=1&Password=***&y=2",
    "/a?X-Auth-Token=SECRET": "/a?X-Auth-Token=***",
    "/v1/AUTH_a/c/o?temp_url_sig=SECRET&temp_url_expires=1": "/v1/AUTH_a/c/o?temp_url_sig=***&temp_url_expires=1",
    "/a?sv=2020&sig=SECRET%3D&se=1": "/a?sv=2020&sig=***&se=1",
    "/a?X-Amz-Signature=SECRET&X-Amz-Date=2": "/a?X-Amz-Signature=***&X-Amz-Date=2",
    "/a?AWSAccessKeyId=SECRET&Expires=2": "/a?AWSAccessKeyId=***&Expires=2",
    "/a?to%6Ben=SECRET": "/a?to%6Ben=***",
    "/a?user[password]=SECRET": "/a?user[password]=***",
    "/a;jsessionid=SECRET": "/a;jsessionid=***",
    "/a?api_key=SECRET&api-key=SECRET&apikey=SECRET": "/a?api_key=***&api-key=***&apikey=***",
    "/a?next=https%3A%2F%2Fb.example%2F%3Ftoken%3DSECRET&z=1": "/a?next=***&z=1",
    "/a?next=https%253A%252F%252Fb.example%252F%253Ftoken%253DSECRET": "/a?next=***",
    "/a?next=https://user:SECRET@b.example/": "/a?next=***",
    "/a?https://user:SECRET@b.example/": "/a?https://***@b.example/",
    "/https://user:SECRET@b.example/?q=1": "/https://***@b.example/?q=1",
    "http://user:SECRET@127.0.0.1/a?token=SECRET": "http://***@127.0.0.1/a?token=***",
    "/a?token=&b=SECRE": "/a?token=&b=SECRE",
    "/a?sort_key=name&marker=2&limit=3": "/a?sort_key=name&marker=2&limit=3",
    "/a?q=mailto:a@b.example&t=10:20": "/a?q=mailto:a@b.example&t=10:20",
    "/a?token=SECRET#token=SECRET": "/a?token=***",
    "/a?code=SECRET?token=SECRET/SECRET;b": "/a?code=***",
    "/a?b=c=d=e;token=SECRET": "/a?b=***",
    "/a?": "/a?",
    "/?=SECRE&": "/?=SECRE&",
}


@pytest.mark.parametrize("url", URLS)
def test_secrets_in_urls_are_masked(front: Front, url: str) -> None:
    """In the line of the request, in the Referer, and in no other log of Apache."""
    sent, agent = url.replace("SECRET", SECRET), f"before-{list(URLS).index(url)}"
    # Apache refuses some of these URLs before it has read which agent asks.
    front.ask(PORT, "/", f"User-Agent: {agent}")
    access_lines(front, ONE, f'"{agent}"')
    path = front.root / "logs" / f"{ONE}-access.log"
    before = path.read_text().count("\n")
    front.ask(PORT, sent, f"Referer: http://c.example{sent if sent.startswith('/') else '/'}")
    wait_for(lambda: path.read_text().count("\n") > before)
    line = json.loads(path.read_text().split("\n")[before])
    assert line["request"] == f"GET {URLS[url]} HTTP/1.1"
    assert SECRET not in str(line)
    assert SECRET not in front.error_log()


def test_a_long_url_is_searched_in_time(front: Front) -> None:
    """Whatever a client nests into it."""
    for piece in ("/a=", "?a=", "&a=", "%253D%2526a", ";a=b", "://@", "%25", "=", "/"):
        url = "/" + piece * (8000 // len(piece))
        begin = time.monotonic()
        front.ask(PORT, url, "User-Agent: long-url")
        # A search that tries all ways to divide such a URL would take hours.
        assert time.monotonic() - begin < 30, piece
    wait_for(lambda: len(access_lines(front, ONE, "long-url")) == 9)


HOSTILE = [
    b'GET /\xff\xfe"\\ HTTP/1.1',
    b"GET /\x01\x02\x7f HTTP/1.1",
    b'"}{"injected": "\\" HTTP/1.1',
    b"\x16\x03\x01\x02\x00\x01",
    b"GET /%0a%22%7d%5c%u0000%ff HTTP/1.1",
    "GET /Grüße\u2028\u0085 HTTP/1.1".encode(),
    b"GET / HTTP/1.1\x0b",
    b"GET  /  HTTP/1.1",
    b"\xed\xa0\x80 \xf4\x90\x80\x80 \xc0\xaf \xe2\x82",
    b"GET /a\tb HTTP/9.9",
    b"",
]
VALUES = [
    b'"\\\x07',
    b"\xff\xfe\x80",
    "Grüße \U0001f333 \u202e\u2028\u009b".encode(),
    b"\xed\xa0\x80\xc0\x80\xf5",
    b'a", "injected": "b',
    b"\x1b[31mred\x1b[0m",
    b"\xe2\x82",
    b"\\u0000\\x00%00",
    b" \t ",
]


@pytest.mark.parametrize("request_line", HOSTILE)
def test_every_line_is_json_whatever_a_client_sends(front: Front, request_line: bytes) -> None:
    for place, value in enumerate(VALUES):
        mark = f"h{HOSTILE.index(request_line)}-{place}"
        lines = [request_line, b"Host: 127.0.0.1", b"User-Agent: " + value + mark.encode(), b"Referer: " + value]
        lines += [b"X-Request-ID: " + value, b"Connection: close", b"", b""]
        with contextlib.suppress(ConnectionResetError):
            front.send(PORT, b"\r\n".join(lines))
    last = f"last-{HOSTILE.index(request_line)}"
    front.ask(PORT, "/", f"User-Agent: {last}")
    access_lines(front, ONE, f'"{last}"')
    # What follows the last end of a line is a line that is being written.
    log = (front.root / "logs" / f"{ONE}-access.log").read_bytes().rpartition(b"\n")[0]
    for line in log.decode().splitlines():
        fields = json.loads(line)
        assert "injected" not in fields
        assert len(fields) == 19
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", line), line


def test_texts_are_those_of_the_client(front: Front) -> None:
    """UTF-8 stands as it is; a byte that is none, and a control character, are told from others."""
    values = {
        b'Gr\xc3\xbc\xc3\x9fe \\ "x" \xf0\x9f\x8c\xb3 text-1': 'Grüße \\ "x" \U0001f333 text-1',
        b"\xfftext-2": "\\xfftext-2",
    }
    for sent, expected in values.items():
        front.send(PORT, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: " + sent + b"\r\n\r\n")
        [line] = access_lines(front, ONE, expected[-6:])
        assert line["agent"] == expected
    front.send(PORT, b"GET /\x1b[31m HTTP/1.1 text-3\r\n\r\n")
    *_, line = access_lines(front, ONE, "\\u001b[31m")
    assert (line["request"], line["status"]) == ("GET /\x1b[31m HTTP/1.1", 400)


def test_what_apache_refuses_itself_has_an_id_too(front: Front) -> None:
    for path, headers, status in (("/" + "a" * 9000, (), 414), ("/refused-1", ("X: " + "a" * 9000,), 400)):
        answer = front.ask(PORT, path, "User-Agent: refused", *headers)
        assert answer.status == status
    front.ask(PORT, "/refused", method="FROBNICATE")
    # The program behind Apache's pipe writes a line after the answer.
    wait_for(lambda: any(line["status"] == 501 for line in access_lines(front, ONE, "refused")))
    assert all(line["id"] for line in access_lines(front, ONE, "refused"))


def test_who_gives_a_request_its_id(mod_wsgi: dict[str, Path]) -> None:
    """A trusted proxy does, if the id is one; every other client gets one of Apache's."""
    with served(mod_wsgi, {ONE: DIARY}, ALONE, httpd_trusted_proxies=["127.0.0.2"]) as proxied:
        for number, (source, given, kept) in enumerate(
            [
                ("127.0.0.2", "of-the-proxy/1.2:3", True),
                ("127.0.0.2", "two words", False),
                ("127.0.0.2", "a" * 129, False),
                ("127.0.0.2", 'q"uote', False),
                ("127.0.0.2", "", False),
                ("127.0.0.1", "of-a-client", False),
            ]
        ):
            answer = ask_from(source, ALONE, f"/print?n{number}", given)
            [line] = access_lines(proxied, ONE, f"?n{number} ")
            shown = json.loads(answer[1])
            assert answer[0] == shown["id"] == shown["mod_wsgi"] == line["id"]
            assert line["id_in"] == given
            assert (line["id"] == given) is kept
            assert len(line["id"]) >= 18
            assert f" {line['id']} Grüße" in own_log(proxied)
            of_client = "192.0.2.7" if source == "127.0.0.2" else source
            assert (line["client"], line["peer"]) == (of_client, source)


def ask_from(source: str, port: int, path: str, given: str) -> tuple[str, bytes]:
    """Ask from an address of this machine with an id; return the id of the answer, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    connection.request("GET", path, headers={"X-Request-ID": given, "X-Forwarded-For": "192.0.2.7"})
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.headers["X-Request-ID"], answer.read()


def test_an_application_cannot_say_another_release(mod_wsgi: dict[str, Path]) -> None:
    forging = DIARY.replace(
        '[("Content-Type", "application/json")]', '[("X-Grove-Log", "f 1 2"), ("X-Request-ID", "own")]'
    )
    with served(mod_wsgi, {ONE: forging}, ALONE) as forged:
        answer = forged.ask(ALONE, "/forged")
        [line] = access_lines(forged, ONE, "/forged")
        assert line["release"] == "0123456789ab"
        assert answer.headers["x-request-id"] == ["own"]
        assert "x-grove-log" not in answer.headers


def test_the_version_of_tls(mod_wsgi: dict[str, Path], tmp_path: Path) -> None:
    make_certificate(tmp_path / "tls", "shop.test")
    record = app(ONE, listen=ALONE, tls="given", tls_certificate=f"{tmp_path}/tls.crt", tls_key=f"{tmp_path}/tls.key")
    files = {f"{tmp_path}/tls.{kind}": True for kind in ("crt", "key")}
    with running(
        mod_wsgi, [record], {"files": files}, httpd_tls=True, wsgi_app_door=f"127.0.0.1:{ALONE + 9}"
    ) as secure:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=f"{tmp_path}/tls.crt")
            context.check_hostname = False
            context.maximum_version = version
            assert secure.ask(ALONE, f"/{version.name}", tls=context, name="shop.test").status == 200
            [line] = access_lines(secure, ONE, f"/{version.name}")
            assert line["tls"] == version.name.replace("_", ".")


def test_without_the_module_the_lines_are_text(mod_wsgi: dict[str, Path]) -> None:
    with served(mod_wsgi, {ONE: DIARY}, ALONE, httpd_json_logs=False) as plain:
        assert plain.ask(ALONE, "/plain").status == 200
        path = plain.root / "logs" / f"{ONE}-access.log"
        wait_for(lambda: path.exists() and '"GET /plain HTTP/1.1" 200' in path.read_text())
