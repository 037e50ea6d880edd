"""Logs of a real Apache and of real applications behind it."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import front_server
import pytest
from front_server import Front, running
from httpd_modules import REPOSITORY
from system.test_templates import ONE, TWO, app, mod_wsgi

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
    files = [*sorted(folder.glob("output.log-*")), folder / "output.log"]
    return "".join(file.read_bytes().decode() for file in files if file.exists())


def wait_for(attempt: Callable[[], bool]) -> None:
    """Wait until ``attempt`` is true."""
    end = time.monotonic() + 10
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
    time.sleep(0.1)
    (folder / "slot.map.new").write_text(f"live {ONE}-green\n")
    os.replace(folder / "slot.map.new", folder / "slot.map")
    time.sleep(0.1)
    clients.append(subprocess.Popen(["python3", "-c", script, str(PORT), "g"]))
    assert [client.wait(60) for client in clients] == [0, 0]
    written = own_log(front)
    assert len(written) > before
    pattern = r"(?m)^\S+Z (blue|green)/\d+ \S+ ([bg]\d) (\d+) (y{9000}) end$"
    found = re.findall(pattern, written)
    assert {slot for slot, *_ in found} == {"blue", "green"}
    assert written.count("y" * 9000) == len(found)
    # The limit of the log is smaller than all of them; the last lines are there.
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
    assert sum(file.stat().st_size for file in files) <= MAX_LOG
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
