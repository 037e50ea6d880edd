"""The application's own log: what a daemon process prints stands in a file of the application, as it was written.

Apache's error log escapes what is not ASCII, doubles backslashes, and cuts a message after 8190 bytes. So the standard
streams of a daemon process, ``wsgi.errors``, and the descriptors 1 and 2 become the file ``output.log`` in the
application's log folder. Each line begins with the time in UTC, the slot and process, and the id of the request:

    2026-11-28T19:30:12.123456Z blue/4711 9b2f0c1d text

What a program that the application starts, or a library that is no Python, writes to the descriptors has no such
beginning. Handlers of ``logging`` that write to files of their own are left alone.

The account of the application writes the file, and root writes nothing in this folder. Each entry is one write to the
end of the file, which the kernel does not mix with another process's. So no process waits for another one, and none
needs a signal when a file is full: the process that sees it gives the file another name, and every process opens the
new one before its next entry. A full disk costs the entry, and is told when there is room again.

This file uses the standard library of Python 3.9 alone.
"""

from __future__ import annotations

import contextlib
import contextvars
import fcntl
import io
import itertools
import json
import os
import re
import stat
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

NAME = "output.log"
"""The current file in the log folder. A full one, or one of another day, is called after the moment of its end."""
MAX_LOG = 536870912
"""Bytes of all files of the log: some days of a talkative application, and a small part of a disk."""
LOG_DAYS = 14
"""Days that files are kept: as Apache's."""
DAY = 86400
"""Seconds."""
PARTS = 8
"""Files that share the bytes. When one is full, the oldest one goes, and seven eighths of the log remain."""
FULL_SECONDS = 0.005
"""Seconds that an entry for a full file waits while another process gives the file another name."""
LONGEST_WAITING = 1048576
"""Bytes of a line that a thread writes in pieces. A longer one is two lines, so that it does not fill the memory."""
LOOK_SECONDS = 1.0
"""Pause between two looks at the size of the file, for what does not pass through this module."""
PRUNE_LOOKS = 3600
"""Looks until the files of past days are looked for, which a log that nobody fills would keep."""
TRACEBACK = b"Traceback (most recent call last):"
"""The line with which Python begins what it writes line by line, and what belongs together."""
HARMLESS_ID = re.compile(r"[!-~]{1,200}")
"""What may stand in the place of a request's id: one word of printable characters."""
NO_REQUEST = "-"

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("grove_request_id", default=NO_REQUEST)
"""The id of the request that the application is answering."""


streams: dict[str, Output] = {}
"""The streams of this process that go to the log, ``stdout`` and ``stderr``; empty in a process without the log."""


class LogFile:
    """The file, with the others of its name in the folder ``folder``."""

    def __init__(self, folder: str, label: str, max_log: int = MAX_LOG, days: int = LOG_DAYS) -> None:
        """``label`` stands in each line after the time. Raises OSError when the file cannot be opened."""
        self.path = os.path.join(folder, NAME)
        self.part = max_log // PARTS
        self._slot = label
        self._label = f"{label}/{os.getpid()}"
        self._second = (0, "")
        self._days = days
        self._lock = threading.RLock()
        self._lost = 0
        self._reason = ""
        self._torn = False
        self._to_redirect: tuple[int, ...] = ()
        self._handle = self._open()

    def redirect(self, *numbers: int) -> None:
        """Let these descriptors of the process be the file, also after it has got another name."""
        self._to_redirect = numbers
        for number in numbers:
            os.dup2(self._handle, number)

    def after_fork(self) -> None:
        """Let a child process write under its own number, although another thread of its parent was writing."""
        self._lock = threading.RLock()
        self._label = f"{self._slot}/{os.getpid()}"

    def write(self, lines: bytes) -> bool:
        """Write lines as one entry; return whether they are in the file. Raises nothing that the disk may cause."""
        entry = self._entry(lines)
        with self._lock:
            try:
                self.look(len(entry))
                if self._lost:
                    note = f"grove: {self._lost} entries of this process could not be written: {self._reason}\n"
                    entry = self._entry(note.encode(errors="replace")) + entry
                self._append(b"\n" + entry if self._torn else entry)
            except OSError as error:
                self._lost += 1
                self._reason = error.strerror or str(error)
                return False
            self._lost = 0
            self._torn = False
        return True

    def look(self, coming: int = 0) -> None:
        """Open the file anew if its name is another file's now, and begin one if ``coming`` bytes do not fit into it.

        Raises OSError.
        """
        with self._lock:
            status = self._at_path()
            if status is None or not self._is_own(status):
                self._replace()
                status = os.fstat(self._handle)
            is_old = status.st_mtime // DAY != time.time() // DAY
            if status.st_size and (is_old or status.st_size + coming > self.part):
                self._begin()

    def _entry(self, lines: bytes) -> bytes:
        now = time.time()
        second, text = self._second
        if second != int(now):
            second, text = int(now), time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._second = (second, text)
        start = f"{text}.{int(now % 1 * 1e6):06}Z {self._label} {request_id.get()} ".encode()
        longest = self.part // 2
        if len(lines) > longest:
            rest = len(lines) - longest
            lines = lines[:longest] + f"\n[grove: {rest} bytes are left out: the entry is too long]\n".encode()
        return b"".join(start + line + b"\n" for line in lines.removesuffix(b"\n").split(b"\n"))

    def _append(self, entry: bytes) -> None:
        written = os.write(self._handle, entry)
        while written < len(entry):
            # The disk is full. What follows begins a line of its own.
            self._torn = True
            written += os.write(self._handle, entry[written:])

    def _open(self) -> int:
        # A pipe that somebody has put there does not stop the process, and a link leads nowhere.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        handle = os.open(self.path, flags, 0o640)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(0, "it is no file", self.path)
        return handle

    def _replace(self) -> None:
        handle = self._open()
        os.dup2(handle, self._handle, inheritable=False)
        os.close(handle)
        for number in self._to_redirect:
            os.dup2(self._handle, number)

    def _at_path(self) -> os.stat_result | None:
        try:
            return os.lstat(self.path)
        except FileNotFoundError:
            return None

    def _is_own(self, status: os.stat_result) -> bool:
        return os.path.samestat(status, os.fstat(self._handle))

    def _begin(self) -> None:
        """Give the full file another name and begin a new one, unless another process does so at this moment."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # That process may have to wait for a processor, and a flood must not fill the disk meanwhile.
            time.sleep(FULL_SECONDS)
            return
        try:
            status = self._at_path()
            if status is not None and self._is_own(status):
                self._rename()
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)
        self._replace()
        self.prune()

    def _rename(self) -> None:
        """Give the file a name that sorts after those of the files that are full already."""
        name = f"{self.path}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
        for number in itertools.count():
            # A link replaces no file that another process has given the name at the same moment.
            with contextlib.suppress(FileExistsError):
                os.link(self.path, f"{name}-{number:03}")
                break
        os.unlink(self.path)

    def prune(self) -> None:
        """Remove the files that are too old or too many. Raises OSError when the folder cannot be read."""
        folder = os.path.dirname(self.path)
        full = sorted(name for name in os.listdir(folder) if name.startswith(NAME + "-"))
        oldest = time.time() - self._days * DAY
        for place, name in enumerate(reversed(full)):
            path = os.path.join(folder, name)
            # Another process may have removed it.
            with contextlib.suppress(OSError):
                if place >= PARTS - 1 or os.lstat(path).st_mtime < oldest:
                    os.unlink(path)


class Waiting:
    """What a thread has written without the end of a line. It goes to the log when the thread ends."""

    def __init__(self, log: LogFile) -> None:
        self.data = bytearray()
        self._log = log

    def __del__(self) -> None:
        self.finish()

    def finish(self) -> None:
        """Write it to the log."""
        if self.data:
            lines, self.data = bytes(self.data), bytearray()
            self._log.write(lines)


class Output(io.TextIOBase):
    """A stream of the process whose lines go to the log. What a thread writes is an entry of its own."""

    encoding = "utf-8"
    errors = "surrogateescape"
    mode = "w"

    def __init__(self, log: LogFile, name: str, number: int) -> None:
        super().__init__()
        self.name = name
        self.log = log
        self.buffer = Bytes(self)
        self._number = number
        self._of_thread = threading.local()

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of this stream, which is the file."""
        return self._number

    def isatty(self) -> bool:
        """Return False."""
        return False

    def write(self, text: str) -> int:
        """Write text; lines go to the log when they are complete."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        try:
            self.write_bytes(text.encode(self.encoding, self.errors))
        except UnicodeEncodeError:
            self.write_bytes(text.encode(self.encoding, "backslashreplace"))
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Write bytes as ``write`` does text."""
        waiting = self._waiting()
        waiting.data += data
        if waiting.data.endswith(b"\n"):
            self.flush()
        elif len(waiting.data) > LONGEST_WAITING:
            waiting.finish()

    def flush(self) -> None:
        """Write what this thread has written and not ended, as a line. The rest of a traceback is waited for."""
        waiting = self._waiting()
        if not is_unfinished_traceback(waiting.data):
            waiting.finish()

    def finish(self) -> None:
        """Write what waits of this thread, whatever it is."""
        self._waiting().finish()

    def reconfigure(self, **options: Any) -> None:
        """Change nothing: the log is UTF-8, and has whole lines."""

    def _waiting(self) -> Waiting:
        try:
            found: Waiting = self._of_thread.waiting
        except AttributeError:
            found = self._of_thread.waiting = Waiting(self.log)
        return found


class Bytes(io.RawIOBase):
    """The stream for bytes below ``Output``."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the descriptor of the stream."""
        return self._output.fileno()

    def write(self, data: Any) -> int:
        """Write bytes."""
        content = bytes(data)
        self._output.write_bytes(content)
        return len(content)

    def flush(self) -> None:
        """Write what waits of this thread."""
        self._output.flush()


def is_unfinished_traceback(lines: bytes | bytearray) -> bool:
    """Return whether the lines of a traceback have come, and the line with the exception has not."""
    start = 0 if lines.startswith(TRACEBACK) else lines.rfind(b"\n" + TRACEBACK) + 1
    if not lines.startswith(TRACEBACK, start):
        return False
    rest = lines[start + len(TRACEBACK) + 1 :].split(b"\n")
    return all(line.startswith(b" ") or not line for line in rest)


class ReportedError(Exception):
    """Tells mod_wsgi that the application has failed, where its own log has the traceback."""


class Answer:
    """The body of an answer whose exceptions go to the log."""

    def __init__(self, body: Iterable[bytes], output: Output, identifier: str) -> None:
        self._body = body
        self._iterator: Iterator[bytes] | None = None
        self._output = output
        self._identifier = identifier

    def __iter__(self) -> Answer:
        return self

    def __next__(self) -> bytes:
        request_id.set(self._identifier)
        try:
            if self._iterator is None:
                self._iterator = iter(self._body)
            return next(self._iterator)
        except StopIteration:
            raise
        except Exception as error:
            if is_of_mod_wsgi(error):
                raise
            raise reported(error, self._output) from None

    def close(self) -> None:
        """Close the application's body."""
        request_id.set(self._identifier)
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        except Exception as error:
            raise reported(error, self._output) from None
        finally:
            end_request()


def is_of_mod_wsgi(error: Exception) -> bool:
    """Return whether mod_wsgi has raised an exception that it knows when it comes back, such as its time limit."""
    return type(error).__module__ == "mod_wsgi"


def reported(error: Exception, output: Output) -> Exception:
    """Write the traceback of an exception to the log; return the exception that mod_wsgi gets.

    That is ``error`` itself where the log has not taken it.
    """
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    output.finish()
    if not output.log.write(lines.encode(errors="backslashreplace")):
        return error
    return ReportedError(f"the traceback is in {output.log.path}, request {request_id.get()}")


def end_request() -> None:
    """Write what the request has left without the end of a line, and forget its id."""
    for stream in streams.values():
        stream.finish()
    request_id.set(NO_REQUEST)


def id_of(environ: WSGIEnvironment) -> str:
    """Return the id of a request: that of Apache's access log, or else mod_wsgi's."""
    given = environ.pop("GROVE_REQUEST_ID", "") or environ.get("mod_wsgi.request_id", "")
    return given if HARMLESS_ID.fullmatch(given) else NO_REQUEST


def guard(application: WSGIApplication) -> WSGIApplication:
    """Return ``application`` so that the lines of a request have its id, and its exceptions stand in the log.

    Outside of a daemon process, as in the trial, the standard streams stay, and so does ``application``.
    """
    if not streams:
        return application
    output = streams["stderr"]

    def logged(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        identifier = id_of(environ)
        request_id.set(identifier)
        environ["wsgi.errors"] = output
        try:
            body = application(environ, start_response)
        except Exception as error:
            failure = error if is_of_mod_wsgi(error) else reported(error, output)
            end_request()
            if failure is error:
                raise
            raise failure from None
        # A list and a file run no code of the application. mod_wsgi treats both better than other bodies.
        if type(body) in (list, tuple, environ.get("wsgi.file_wrapper")):
            end_request()
            return body
        return Answer(body, output, identifier)

    return logged


def load_failed() -> None:
    """Write the traceback of the exception that is being handled to the log, where there is one."""
    if streams:
        traceback.print_exc(file=streams["stderr"])
        end_request()


def begin(release: str) -> None:
    """Let this process, if mod_wsgi has started it, write to the log of the release in the folder ``release``.

    Where the log cannot be opened, the process goes on with Apache's error log, and says why there. Raises OSError and
    ValueError for a release that cannot be read.
    """
    group = getattr(sys.modules.get("mod_wsgi"), "process_group", "")
    if not group or streams:
        return
    with open(os.path.join(release, "commands.json"), encoding="utf-8") as stream:
        commands = json.load(stream)
    try:
        log = LogFile(
            commands["logs"],
            group.rpartition("-")[2],
            commands.get("max_log", MAX_LOG),
            commands.get("log_days", LOG_DAYS),
        )
        log.redirect(1, 2)
    except OSError as error:
        print(f"grove: {commands['logs']}/{NAME} cannot be opened: {error}", file=sys.stderr)
        return
    streams.update(stdout=Output(log, "<stdout>", 1), stderr=Output(log, "<stderr>", 2))
    sys.stdout, sys.stderr = streams["stdout"], streams["stderr"]
    os.register_at_fork(after_in_child=log.after_fork)
    threading.Thread(target=_watch, args=(log,), name="grove-log", daemon=True).start()


def _watch(log: LogFile) -> None:
    """Look at the file again and again. Never returns."""
    for number in itertools.count(1):
        time.sleep(LOOK_SECONDS)
        with contextlib.suppress(OSError):
            log.look()
            if number % PRUNE_LOOKS == 0:
                log.prune()
