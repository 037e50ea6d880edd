"""The application's own log: what is written arrives as it was written, and no more than the limit."""

from __future__ import annotations

import calendar
import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grove_runtime import own_log
from grove_runtime.own_log import LogFile, Output

WSGI = Path(__file__).resolve().parents[2] / "wsgi"
START = re.compile(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z blue/\d+ (\S+) ")
MEGABYTE = 1 << 20


def text_of(folder: Path) -> str:
    """Return what all files of the log hold, without the beginnings of the lines, the oldest first."""
    files = [*sorted(folder.glob("output.log-*")), folder / "output.log"]
    return START.sub("", "".join(file.read_bytes().decode() for file in files if file.exists()))


@pytest.fixture
def log(tmp_path: Path) -> LogFile:
    """The log of a process of the blue slot."""
    return LogFile(str(tmp_path), "blue", MEGABYTE)


@pytest.fixture
def output(log: LogFile) -> Output:
    """The stream of that process."""
    return Output(log, "<stderr>", 2)


@pytest.mark.parametrize(
    "text",
    [
        "Grüße aus Köln",
        json.dumps({"file": "C:\\temp", "said": 'a "word"'}),
        "long " + "z" * 12000 + " end",
        "tab\t, bell\a, and a return\r in the middle",
        "several\n  lines\n\nand an empty one",
        "emoji \N{SNOWMAN} \U0001f333",
    ],
)
def test_a_text_arrives_as_it_was_written(tmp_path: Path, output: Output, text: str) -> None:
    print(text, file=output)
    assert text_of(tmp_path) == text + "\n"


def test_bytes_that_are_no_utf_8_arrive(tmp_path: Path, output: Output) -> None:
    output.buffer.write(b"raw \xff\xfe\n")
    print(os.fsdecode(b"name \xff"), "\ud800", file=output)
    lines = (tmp_path / "output.log").read_bytes().splitlines()
    assert [line.partition(b" - ")[2] for line in lines] == [b"raw \xff\xfe", b"name \xff \\ud800"]


def test_each_line_has_time_slot_process_and_request(tmp_path: Path, output: Output) -> None:
    own_log.request_id.set("abc")
    before = time.time()
    print("first\nsecond", file=output)
    own_log.request_id.set("-")
    lines = (tmp_path / "output.log").read_text().splitlines()
    pattern = rf"(\S+)\.\d{{6}}Z blue/{os.getpid()} abc (first|second)"
    moments = [re.fullmatch(pattern, line) for line in lines]
    assert [moment and moment[2] for moment in moments] == ["first", "second"]
    assert moments[0]
    written = calendar.timegm(time.strptime(moments[0][1], "%Y-%m-%dT%H:%M:%S"))
    assert int(before) <= written <= time.time()


def test_what_is_written_in_pieces_is_one_line(tmp_path: Path, output: Output) -> None:
    print("a", "b", end="", file=output)
    assert text_of(tmp_path) == ""
    print("", "c", file=output)
    assert text_of(tmp_path) == "a b c\n"
    print("no end", end="", file=output, flush=True)
    assert text_of(tmp_path) == "a b c\nno end\n"


def test_a_thread_leaves_nothing_behind(tmp_path: Path, output: Output) -> None:
    thread = threading.Thread(target=print, args=("last words",), kwargs={"file": output, "end": ""})
    thread.start()
    thread.join()
    assert text_of(tmp_path) == "last words\n"


class Writes:
    """Counts the entries of a log."""

    def __init__(self, log: LogFile, patch: pytest.MonkeyPatch) -> None:
        self.entries: list[bytes] = []
        self._write = log.write
        patch.setattr(log, "write", self.write)

    def write(self, lines: bytes) -> bool:
        """Write an entry."""
        self.entries.append(lines)
        return self._write(lines)


def test_a_traceback_is_one_entry(log: LogFile, output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether Python prints it in pieces, as one text, or from C."""
    writes = Writes(log, monkeypatch)
    try:
        int("no number")
    except ValueError:
        traceback.print_exc(file=output)
        expected = traceback.format_exc().encode()
    assert writes.entries == [expected]
    with contextlib.suppress(SyntaxError), contextlib.redirect_stderr(output):
        compile("def x(:", "x.py", "exec")
    monkeypatch.setattr(sys, "stderr", output)
    sys.__excepthook__(ValueError, ValueError("two\nlines"), None)
    print("after", file=output)
    assert writes.entries[1:] == [b"ValueError: two\nlines\n", b"after\n"]


@pytest.mark.parametrize(
    ("lines", "unfinished"),
    [
        (b"Traceback (most recent call last):\n", True),
        (b'before\nTraceback (most recent call last):\n  File "a", line 1, in b\n', True),
        (b"Traceback (most recent call last):\n  File\nValueError\n", False),
        (b"Traceback (most recent call last):\n  File\nValueError: a\n  indented\n", False),
        (b"no Traceback (most recent call last):\n", False),
        (b"", False),
    ],
)
def test_the_end_of_a_traceback(lines: bytes, unfinished: bool) -> None:
    assert own_log.is_unfinished_traceback(lines) is unfinished


WRITER = """
import sys, threading
sys.path.insert(0, sys.argv[1])
from grove_runtime.own_log import LogFile, Output
name = sys.argv[3]
output = Output(LogFile(sys.argv[2], "blue", 4 << 20), "<stderr>", 2)
def write(thread):
    for number in range(150):
        print(name, thread, number, "x" * (number * 20), "end", file=output)
threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""


def test_processes_and_threads_lose_and_mix_no_line(tmp_path: Path) -> None:
    """Three processes with four threads fill the file several times."""
    command = [sys.executable, "-c", WRITER, str(WSGI), str(tmp_path)]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b", "c")]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    assert len(list(tmp_path.glob("output.log-*"))) > 3
    lines = text_of(tmp_path).splitlines()
    found = [match.groups() for line in lines if (match := re.fullmatch(r"(\w) (\d) (\d+) (x*) end", line))]
    assert len(found) == len(lines) == 3 * 4 * 150
    assert {(name, thread, number, len(text)) for name, thread, number, text in found} == {
        (name, str(thread), str(number), number * 20) for name in "abc" for thread in range(4) for number in range(150)
    }


def test_a_flood_fills_no_more_than_the_limit(tmp_path: Path, output: Output) -> None:
    for number in range(3000):
        print(number, "x" * 1000, file=output)
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == own_log.PARTS
    assert MEGABYTE * 0.8 < sum(sizes) <= MEGABYTE
    assert f"{2999} xxx" in text_of(tmp_path)
    print("y" * 3 * MEGABYTE, file=output)
    assert "bytes are left out: the entry is too long" in (tmp_path / "output.log").read_text()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= MEGABYTE


def test_what_libraries_write_counts_too(tmp_path: Path, log: LogFile) -> None:
    """What goes to the descriptor of the standard error output is in the file, and in the new one after its end."""
    number = os.dup(2)
    try:
        log.redirect(number)
        os.write(number, b"z" * (MEGABYTE // 8 + 1) + b"\n")
        log.look()
        assert (tmp_path / "output.log").stat().st_size == 0
        os.write(number, b"anew\n")
        assert (tmp_path / "output.log").read_text() == "anew\n"
    finally:
        os.close(number)


def test_a_file_of_another_day_ends(tmp_path: Path, output: Output) -> None:
    print("yesterday", file=output)
    yesterday = time.time() - 86400
    os.utime(tmp_path / "output.log", (yesterday, yesterday))
    ancient = tmp_path / "output.log-20200101-000000-000"
    ancient.write_text("old\n")
    os.utime(ancient, (yesterday - 14 * 86400, yesterday - 14 * 86400))
    print("today", file=output)
    assert START.sub("", (tmp_path / "output.log").read_text()) == "today\n"
    assert text_of(tmp_path) == "yesterday\ntoday\n"


def test_a_file_that_is_gone_is_made_again(tmp_path: Path, output: Output) -> None:
    print("one", file=output)
    (tmp_path / "output.log").unlink()
    print("two", file=output)
    assert text_of(tmp_path) == "two\n"


def test_a_link_leads_nowhere(tmp_path: Path, output: Output) -> None:
    """Who can write into the folder makes the log write nowhere else; and the log goes on when the link is gone."""
    target = tmp_path / "target"
    target.write_text("")
    (tmp_path / "output.log").unlink()
    (tmp_path / "output.log").symlink_to(target)
    print("secret", file=output)
    assert target.read_text() == ""
    with pytest.raises(OSError, match="symbolic links"):
        LogFile(str(tmp_path), "blue")
    (tmp_path / "output.log").unlink()
    print("again", file=output)
    text = text_of(tmp_path)
    assert text.startswith("grove: 1 entries of this process could not be written: Too many levels of symbolic links")
    assert text.endswith("\nagain\n")


def test_a_pipe_in_its_place_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "output.log")
    reader = os.open(tmp_path / "output.log", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(OSError, match="it is no file"):
            LogFile(str(tmp_path), "blue")
    finally:
        os.close(reader)


def test_a_full_disk_costs_lines_and_says_so(
    tmp_path: Path, log: LogFile, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel takes the beginning of a line, and then nothing; tests/system has a file system that is full."""
    write = os.write
    room = [10]

    def full(number: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        part = write(number, data[: room[0]])
        room[0] -= part
        return part

    monkeypatch.setattr(os, "write", full)
    print("torn", file=output)
    print("lost", file=output)
    monkeypatch.setattr(os, "write", write)
    print("found", file=output)
    first, note, found = (tmp_path / "output.log").read_text().splitlines()
    assert len(first) == 10
    assert note.endswith(" - grove: 2 entries of this process could not be written: No space left on device")
    assert found.endswith(" - found")


def test_the_file_is_for_its_account_and_group(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        LogFile(str(tmp_path), "blue")
    finally:
        os.umask(before)
    assert (tmp_path / "output.log").stat().st_mode & 0o7777 == 0o640


FORKING = """
import os, sys, threading
sys.path.insert(0, sys.argv[1])
from grove_runtime.own_log import LogFile, Output
log = LogFile(sys.argv[2], "blue")
os.register_at_fork(after_in_child=log.after_fork)
output = Output(log, "<stderr>", 2)
begun = threading.Event()
def hold():
    with log._lock:
        begun.set()
        threading.Event().wait()
threading.Thread(target=hold, daemon=True).start()
begun.wait()
child = os.fork()
if not child:
    print("in the child", os.getpid(), file=output)
    os._exit(0)
os._exit(os.waitpid(child, 0)[1])
"""


def test_a_child_process_writes(tmp_path: Path) -> None:
    """Although another thread was writing when it was forked."""
    subprocess.run([sys.executable, "-c", FORKING, str(WSGI), str(tmp_path)], check=True, timeout=60)
    number, named = re.findall(r"blue/(\d+) - in the child (\d+)\n", (tmp_path / "output.log").read_text())[0]
    assert number == named


@pytest.fixture
def streams(output: Output, monkeypatch: pytest.MonkeyPatch) -> Output:
    """The streams of a daemon process."""
    monkeypatch.setattr(own_log, "streams", {"stdout": output, "stderr": output})
    return output


def ids(folder: Path) -> list[str]:
    return START.findall((folder / "output.log").read_text())


def ask(application: Any, **more: Any) -> Any:
    guarded: Any = own_log.guard(application)
    body = guarded(more, lambda status, headers: None)
    try:
        return b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()


@pytest.mark.usefixtures("streams")
def test_lines_of_a_request_have_its_id(tmp_path: Path) -> None:
    def listed(environ: Any, start_response: Any) -> list[bytes]:
        print("listed", file=environ["wsgi.errors"])
        return [b"a"]

    def lazy(environ: Any, start_response: Any) -> Iterator[bytes]:
        print("begun", file=environ["wsgi.errors"])
        yield b"a"
        print("ended", file=environ["wsgi.errors"])

    seen: dict[str, Any] = {"mod_wsgi.request_id": "of-mod-wsgi", "GROVE_REQUEST_ID": "of-apache"}
    assert ask(listed, **seen) == b"a"
    assert ask(lazy, **{"mod_wsgi.request_id": "of-mod-wsgi"}) == b"a"
    ask(listed, GROVE_REQUEST_ID="two\nlines")
    print("outside", file=own_log.streams["stderr"])
    assert ids(tmp_path) == ["of-apache", "of-mod-wsgi", "of-mod-wsgi", "-", "-"]


def raising(environ: Any, start_response: Any) -> list[bytes]:
    raise ValueError("Grüße")


def raising_late(environ: Any, start_response: Any) -> Iterator[bytes]:
    yield b"a"
    raise ValueError("Grüße")


class RaisingAtClose:
    """A body that cannot be closed."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"a"])

    def close(self) -> None:
        """Fail."""
        raise ValueError("Grüße")


@pytest.mark.usefixtures("streams")
@pytest.mark.parametrize("application", [raising, raising_late, lambda environ, start: RaisingAtClose()])
def test_the_traceback_of_a_request_is_in_the_log(tmp_path: Path, application: Any) -> None:
    """mod_wsgi gets a short exception, which names the log."""
    with pytest.raises(own_log.ReportedError, match=r"output\.log, request abc$"):
        ask(application, GROVE_REQUEST_ID="abc")
    text = text_of(tmp_path)
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("\nValueError: Grüße\n")
    assert set(ids(tmp_path)) == {"abc"}


@pytest.mark.usefixtures("streams")
def test_where_the_log_takes_nothing_mod_wsgi_gets_the_traceback(tmp_path: Path) -> None:
    (tmp_path / "output.log").unlink()
    (tmp_path / "output.log").symlink_to("nowhere")
    with pytest.raises(ValueError, match="Grüße"):
        ask(raising)


@pytest.mark.usefixtures("streams")
def test_an_exception_of_mod_wsgi_goes_back_to_it(tmp_path: Path) -> None:
    limit = type("RequestTimeout", (Exception,), {"__module__": "mod_wsgi"})

    def interrupted(environ: Any, start_response: Any) -> list[bytes]:
        raise limit

    with pytest.raises(limit):
        ask(interrupted)
    assert text_of(tmp_path) == ""


def test_outside_of_a_daemon_process_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "commands.json").write_text(json.dumps({"logs": str(tmp_path)}))
    before = sys.stdout, sys.stderr
    own_log.begin(str(tmp_path))
    assert (sys.stdout, sys.stderr) == before
    assert own_log.guard(raising) is raising
    assert not (tmp_path / "output.log").exists()


DAEMON = """
import faulthandler, json, logging, os, subprocess, sys, types, warnings
module = types.ModuleType("mod_wsgi")
module.process_group = "shop-green"
sys.modules["mod_wsgi"] = module
sys.path.insert(0, sys.argv[1])
from grove_runtime import own_log
own_log.begin(sys.argv[2])
own_log.begin(sys.argv[2])
print("printed")
logging.warning("logged %s", "ü")
warnings.warn("warned")
sys.stderr.buffer.write(b"bytes\\n")
print(sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.encoding, sys.stderr.isatty(), sys.stderr.reconfigure())
sys.stderr.writelines(["two\\n", "lines\\n"])
subprocess.run(["sh", "-c", "echo of a program; echo of its errors >&2"], check=True)
faulthandler.dump_traceback(all_threads=False)
raise KeyError("uncaught ü")
"""


def test_everything_that_a_daemon_process_writes(tmp_path: Path) -> None:
    (tmp_path / "commands.json").write_text(json.dumps({"logs": str(tmp_path), "max_log": MEGABYTE, "log_days": 3}))
    command = [sys.executable, "-c", DAEMON, str(WSGI), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    text = (tmp_path / "output.log").read_text()
    assert re.match(r"\S+Z green/\d+ - printed\n", text)
    lines = re.sub(r"(?m)^\S+Z green/\d+ - ", "", text).splitlines()
    assert lines[:2] == ["printed", "WARNING:root:logged ü"]
    assert "UserWarning: warned" in lines[2]
    assert lines[-1] == "KeyError: 'uncaught ü'"
    assert {"bytes", "1 2 utf-8 False None", "two", "lines", "of a program", "of its errors"} <= set(lines)
    assert "most recent call first" in text


def test_a_log_that_cannot_be_opened_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "commands.json").write_text(json.dumps({"logs": str(tmp_path / "none")}))
    command = [sys.executable, "-c", DAEMON, str(WSGI), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "none/output.log cannot be opened: [Errno 2] No such file or directory" in done.stderr
    # Python keeps what it prints into a pipe until its end.
    assert sorted(done.stdout.splitlines()) == ["1 2 utf-8 False None", "of a program", "printed"]


def test_a_flood_waits_while_another_process_gives_the_full_file_another_name(tmp_path: Path, log: LogFile) -> None:
    """That process may stand still for a moment. The flood goes on slowly until it is done, and loses nothing."""
    other = (tmp_path / "output.log").open("rb")
    fcntl.flock(other, fcntl.LOCK_EX)
    while (tmp_path / "output.log").stat().st_size < log.part - 1000:
        log.write(b"x" * 900)
    begun, number = time.monotonic(), 0
    while time.monotonic() < begun + 0.5:
        number += 1
        assert log.write(b"line of a flood\n")
        # Some lines still fit.
        assert number <= (time.monotonic() - begun) / own_log.FULL_SECONDS + 20
    other.close()
    assert log.write(b"the first line of the next file\n")
    assert len(list(tmp_path.glob("output.log-*"))) == 1
    assert text_of(tmp_path).count("line of a flood\n") == number
