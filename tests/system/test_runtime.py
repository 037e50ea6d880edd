"""The code that Grove runs inside a daemon process, in processes and folders like those of a host."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.release.trial import CODES
from grove_runtime import door, paste_logging

REPOSITORY = Path(__file__).resolve().parents[2]
SLOT_WSGI = REPOSITORY / "wsgi" / "slot.wsgi"
TRIAL = REPOSITORY / "wsgi" / "grove_runtime" / "trial.py"
HEALTHY, BROKEN, UNHEALTHY = CODES


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["PATH_INFO"].encode()]


def ask(application: Any, **more: str) -> dict[str, Any]:
    """Return status, headers, exception and body of an answer."""
    environ: dict[str, Any] = {"SCRIPT_NAME": "", "PATH_INFO": "/a", **more}
    setup_testing_defaults(environ)
    answer: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        answer.update(status=status, headers=headers, exc_info=exc_info)
        return lambda data: None

    body = application(environ, start_response)
    answer["body"] = b"".join(body)
    if hasattr(body, "close"):
        body.close()
    return answer


def test_only_answers_through_a_door_are_stamped() -> None:
    application = validator(door.stamp(validator(hello), "0123456789ab"))
    plain = ask(application, QUERY_STRING="")
    assert plain["headers"] == [("Content-Type", "text/plain")]
    stamped = ask(application, QUERY_STRING="", GROVE_DOOR="blue")
    assert stamped["body"] == b"/a"
    assert stamped["headers"] == [
        ("Content-Type", "text/plain"),
        ("X-Grove-Release", "0123456789ab"),
        ("X-Grove-Process", str(os.getpid())),
    ]


def test_a_header_of_a_client_opens_no_door() -> None:
    assert ask(door.stamp(hello, "1"), HTTP_GROVE_DOOR="blue")["headers"] == [("Content-Type", "text/plain")]


def test_what_went_wrong_reaches_the_server() -> None:
    error = (ValueError, ValueError("late"), None)

    def broken(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("500 Oops", [], error)  # type: ignore[arg-type]
        return []

    answer = ask(door.stamp(broken, "1"), GROVE_DOOR="blue")
    assert (answer["status"], answer["exc_info"]) == ("500 Oops", error)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of which only the entry is needed."""
    folder = tmp_path / "releases" / "one"
    folder.mkdir(parents=True)
    return folder


def trial(release: Path, entry: str, *statuses: int, **environ: str) -> subprocess.CompletedProcess[str]:
    (release / "app.wsgi").write_text(entry)
    request = {
        "environ": {"SCRIPT_NAME": "", "PATH_INFO": "/", **environ},
        "multithread": True,
        "locale": "C.UTF-8",
        "statuses": statuses or [200],
    }
    command = [sys.executable, "-I", str(TRIAL), str(release)]
    return subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=60, check=False)


ANSWER = """
def application(environ, start_response):
    {before}
    start_response("{status}", [])
    return [{body}]
"""


def entry(before: str = "pass", status: str = "200 OK", body: str = "b''") -> str:
    return ANSWER.format(before=before, status=status, body=body)


def test_a_release_that_works_passes_its_trial(release: Path) -> None:
    before = "assert (environ['SCRIPT_NAME'], environ['wsgi.input'].read()) == ('/shop', b''), environ"
    completed = trial(release, entry(before), SCRIPT_NAME="/shop")
    assert (completed.returncode, completed.stderr) == (HEALTHY, "")
    completed = trial(release, entry("import sys; assert sys.stdin.read() == ''", status="401 No"), 200, 401)
    assert (completed.returncode, completed.stderr) == (HEALTHY, "")
    assert trial(release, entry(), 401).stderr == "/ answered 200 OK\n\n"


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (entry(status="503 Busy", body="b'no database'"), UNHEALTHY, "/ answered 503 Busy\nno database\n"),
        ("import no_such_module", BROKEN, "ModuleNotFoundError: No module named 'no_such_module'\n"),
        ("raise SystemExit(0)", UNHEALTHY, "SystemExit: 0\n"),
        ("application", BROKEN, "NameError: name 'application' is not defined\n"),
        ("application = lambda environ, start: []", UNHEALTHY, "IndexError: list index out of range\n"),
        (entry("1 / 0"), UNHEALTHY, "ZeroDivisionError: division by zero\n"),
        ("raise OSError('no database')", UNHEALTHY, "OSError: no database\n"),
        ("None.application", BROKEN, "AttributeError: 'NoneType' object has no attribute 'application'\n"),
        ("def x(:", BROKEN, "SyntaxError: invalid syntax\n"),
        ("import trial, paste_logging", BROKEN, "ModuleNotFoundError: No module named 'trial'\n"),
    ],
)
def test_the_trial_reports_why_a_release_does_not_work(release: Path, code: str, status: int, reason: str) -> None:
    completed = trial(release, code)
    assert completed.returncode == status
    assert completed.stderr.endswith(reason)


def test_the_trial_ends_although_a_thread_does_not(release: Path) -> None:
    code = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n" + entry()
    assert trial(release, code).returncode == HEALTHY


def test_the_body_is_closed(release: Path) -> None:
    code = """
class Body(list):
    def close(self):
        print("closed")

def application(environ, start_response):
    start_response("200 OK", [])
    return Body([b""])
"""
    assert trial(release, code).stdout == "closed\n"


@pytest.fixture
def _logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("_logging")
def test_the_logging_of_a_paste_file(tmp_path: Path) -> None:
    before = logging.getLogger("made.before")
    path = tmp_path / "api-paste.ini"
    path.write_text(
        "[app:main]\nuse = call:x\n"
        "[loggers]\nkeys = root\n[handlers]\nkeys = file\n[formatters]\nkeys = short\n"
        "[logger_root]\nlevel = INFO\nhandlers = file\n"
        "[handler_file]\nclass = FileHandler\nargs = ('%(here)s/app.log',)\nformatter = short\n"
        "[formatter_short]\nformat = %(levelname)s %(message)s\n"
    )
    paste_logging.configure(str(path))
    before.info("hello")
    assert (tmp_path / "app.log").read_text() == "INFO hello\n"


@pytest.mark.usefixtures("_logging")
def test_a_paste_file_without_logging(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    (tmp_path / "api-paste.ini").write_text("[app:main]\nuse = call:x\n")
    paste_logging.configure(str(tmp_path / "api-paste.ini"))
    paste_logging.configure(str(tmp_path / "none.ini"))
    assert logging.getLogger().handlers == before


# Like mod_wsgi in a daemon process: set python-home and home of the slot, make a module, and run the script.
DAEMON = """
import json, sys, types
module = types.ModuleType("mod_wsgi")
module.process_group = sys.argv[1]
sys.modules["mod_wsgi"] = module
slot, script = sys.argv[2], sys.argv[3]
sys.path.insert(0, slot)
namespace = {"__file__": script, "__name__": "_mod_wsgi_script"}
exec(compile(open(script).read(), script, "exec"), namespace)
print("loaded", flush=True)
sys.stdin.readline()
import lazily
print(json.dumps({
    "prefix": sys.prefix, "exec_prefix": sys.exec_prefix, "path": sys.path,
    "application": namespace["application"]({}, None), "lazily": lazily.value,
}))
"""


def make_release(folder: Path, name: str) -> Path:
    path = folder / "releases" / name
    path.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", path / "venv"], check=True)
    packages = next((path / "venv").glob("lib/python3*/site-packages"))
    (packages / "lazily.py").write_text(f"value = {name!r}\n")
    (path / "app.wsgi").write_text(f"def application(environ, start_response):\n    return {name!r}\n")
    return path


def test_a_process_keeps_to_the_release_that_it_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    one, two = make_release(folder, "one"), make_release(folder, "two")
    (folder / "slots").mkdir()
    slot = folder / "slots" / "green"
    slot.symlink_to("../releases/one")
    (folder / "slot.wsgi").write_text(SLOT_WSGI.read_text())
    process = subprocess.Popen(
        [slot / "venv/bin/python", "-c", DAEMON, "shop-two-green", slot, folder / "slot.wsgi"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loaded\n"
    slot.unlink()
    slot.symlink_to("../releases/two")
    output, _ = process.communicate("go on\n", timeout=60)
    report = json.loads(output)
    assert report["application"] == "one"
    assert report["lazily"] == "one"
    assert report["prefix"] == report["exec_prefix"] == str(one / "venv")
    assert str(one) not in report["path"]
    assert not any("slots" in path for path in report["path"])
    assert not any(path.startswith(str(two)) for path in report["path"])
    assert any(path.startswith(str(one / "venv")) for path in report["path"])
