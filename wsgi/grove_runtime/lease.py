"""Run an agent of which one instance is enough on one host of several.

Usage: lease.py --agent APP/AGENT (--config FILE --option SECTION/OPTION | --variable NAME) [--notify]
                [--stop-timeout SECONDS] -- PROGRAM [ARGUMENT...]

The hosts share a row of the application's own database (lease_table.py). Its URL is an option of a configuration file,
or a variable of the environment. The host that holds the row runs the program, as a child of this one. If it cannot
renew the row, it ends the program before another host may take the row (lease_rules.py).

This program tells systemd at once that it is ready, also while it waits, so that systemd's watchdog counts from then
on. While the agent runs, the watchdog hears of each renewal, and of nothing else: if this program stands still, systemd
kills it and the agent. ``--notify`` says that the agent tells systemd itself when it is ready. What this host does is
in the file ``lease`` of the unit's folder in /run, for ``status``: the id of this process, a word, the host that holds
the row, and the id of the agent's process.

SIGTERM ends the agent within the stop timeout, and gives the row back. After SIGUSR1, the row is kept for this host: a
deployment restarts the agent. SIGHUP and SIGUSR2 go on to the agent.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import queue
import re
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    # Python has put the folder of this file there, whose modules an application may have under the same names.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from grove_runtime import processes, servers
from grove_runtime.lease_rules import (
    FREE,
    HELD,
    KILL_SECONDS,
    RENEW_SECONDS,
    RESERVED,
    STOP_SECONDS,
    Contest,
    Deadlines,
    clock,
    given_back,
    is_fresh,
)
from grove_runtime.lease_table import HOST_LENGTH, Table

RETRY_SECONDS = 0.5
"""Pause after a query that failed: a database that is back is used at once, and one that is away is not flooded."""
TICK_SECONDS = 0.5
"""The longest pause between two looks at the deadlines: a machine that has slept wakes up behind them."""
GIVE_BACK_SECONDS = 5.0
"""Seconds that the row may take to be given back at the end. Without it, another host waits for the lease to end."""
SILENT_SECONDS = 300.0
"""Seconds without a word of the thread that asks the database, after which this program ends and systemd starts it
again: a driver without a time limit may wait for ever."""
STARTS, WAITS, RUNS, AWAY = "starts", "waits", "runs", "away"
"""What this host does: begins or waits for the agent to be ready; waits for another host; runs the agent; cannot use
the database."""


class Event:
    """What the thread that asks the database reports."""


@dataclass(frozen=True)
class Renewed(Event):
    """This host holds the row; ``sent`` is when it sent the change. ``failures`` are the endings of the agent here."""

    sent: float
    failures: int


@dataclass(frozen=True)
class Other(Event):
    """Another host holds the row, or it is kept for that host."""

    host: str


@dataclass(frozen=True)
class Failed(Event):
    """The database could not be used."""

    why: str


@dataclass(frozen=True)
class Done(Event):
    """The row was given back, or could not be."""


class Keeper:
    """The thread that asks the database. It reports events, and a query that hangs holds up nothing else."""

    def __init__(self, table: Table, host: str, report: Callable[[Event], None]) -> None:
        self._table, self._host, self._report = table, host, report
        self._me = uuid.uuid4().hex
        self._failures = 0
        self._holds = False
        # Whether the row may have this process as its holder, also when the answer to the change was lost.
        self._may_hold = False
        self._contest = Contest(host)
        self._given_back: tuple[str, int] | None = None
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to ask for the row."""
        self._thread.start()

    def give_back(self, state: str, failures: int) -> None:
        """Give the row back as soon as no query is under way, and end."""
        self._given_back = state, failures
        self._wake.set()

    def join(self) -> None:
        """Wait until the row is given back."""
        self._thread.join()

    def _run(self) -> None:
        while self._given_back is None:
            pause = RENEW_SECONDS
            try:
                self._report(self._renew() if self._holds else self._look())
            except Exception as error:
                self._fail(error)
                pause = RETRY_SECONDS
            self._wake.wait(pause)
        end = clock() + GIVE_BACK_SECONDS
        while self._may_hold and clock() < end:
            try:
                self._table.give_back(self._me, *self._given_back)
                break
            except Exception as error:
                self._fail(error)
                time.sleep(RETRY_SECONDS)
        self._report(Done())

    def _fail(self, error: Exception) -> None:
        with contextlib.suppress(Exception):
            self._table.close()
        self._report(Failed(servers.reason(error)))

    def _renew(self) -> Event:
        sent = clock()
        if self._table.renew(self._me):
            return Renewed(sent, self._failures)
        self._holds = self._may_hold = False
        return self._look()

    def _look(self) -> Event:
        if not self._table.connected:
            self._contest.forget()
        row = self._table.look()
        if row.holder == self._me and row.state == HELD:
            # The answer to the change by which this host has taken the row was lost.
            self._holds = True
            return self._renew()
        if not self._contest.may_take(row, clock()):
            return Other(row.host)
        failures = row.failures if row.host == self._host else 0
        sent, self._may_hold = clock(), True
        if self._table.take(row, self._me, self._host, failures):
            self._holds, self._failures = True, failures
            self._contest.forget()
            return Renewed(sent, failures)
        self._may_hold = False
        return Other(row.host)


class Systemd:
    """The messages to systemd, see sd_notify(3), and the file that ``status`` reads."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._address = environment.pop("NOTIFY_SOCKET", "")
        self.folder = environment.pop("RUNTIME_DIRECTORY", "")
        self._last = ""

    def send(self, *lines: str) -> None:
        """Send messages. systemd that is away ends nothing."""
        if self._address:
            address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
                systemd.connect(address)
                systemd.send("\n".join(lines).encode())

    def show(self, word: str, host: str, child: int, text: str) -> None:
        """Show what this host does, if it has changed."""
        line = f"{os.getpid()} {word} {host or '-'} {child}\n"
        if line == self._last:
            return
        self._last = line
        self.send(f"STATUS={text}")
        if self.folder:
            path = os.path.join(self.folder, "lease")
            with open(f"{path}.new", "w", encoding="utf-8") as stream:
                stream.write(line)
            os.replace(f"{path}.new", path)


class Program:
    """The agent, as long as this host holds the row. This is the main thread, which no query holds up."""

    def __init__(self, command: list[str], table: Table, systemd: Systemd, notify: bool, patience: float) -> None:
        self._command, self._systemd, self._patience = command, systemd, patience
        self._host = own_name()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._keeper = Keeper(table, self._host, self._report)
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)
        self._readiness = readiness_socket(systemd.folder) if notify else None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        if self._readiness is not None:
            self._selector.register(self._readiness, selectors.EVENT_READ)
        self._child: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._ready = False
        self._renewed: float | None = None
        self._failures = 0
        self._told: float | None = None
        self._heard = clock()
        self._stopping = False
        self._back = FREE
        self._problem = ""

    def run(self) -> int:
        """Run until a signal or the agent ends it; return the exit code."""
        processes.adopt_orphans()
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)
        for one in numbers:
            # The number of a signal comes through the pipe.
            signal.signal(one, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._systemd.show(STARTS, "", 0, "asks the database which host runs the agent")
        self._systemd.send("READY=1")
        self._keeper.start()
        while True:
            for number in self._wait():
                self._take_signal(number)
            for event in self._pending():
                self._take_event(event)
            code = self._look_at_child()
            if code is None:
                code = self._keep_deadlines()
            if code is not None:
                return code

    def _report(self, event: Event) -> None:
        """Take an event of the keeper's thread."""
        self._events.put(event)
        with contextlib.suppress(OSError):
            os.write(self._wake_write, b"\0")

    def _wait(self) -> list[int]:
        """Wait for signals, events and the agent's messages; return the signals."""
        numbers: list[int] = []
        for key, _ in self._selector.select(self._pause()):
            if key.fd == self._wake_read:
                with contextlib.suppress(BlockingIOError):
                    numbers += os.read(self._wake_read, 4096)
            elif self._readiness is not None:
                with contextlib.suppress(OSError):
                    self._ready |= b"READY=1" in self._readiness.recv(4096).split(b"\n")
                self._show()
        return [number for number in numbers if number]

    def _pause(self) -> float:
        limits = self._deadlines()
        if limits is None:
            return TICK_SECONDS
        end = limits.kill if limits.told is not None else limits.stop
        return min(TICK_SECONDS, max(0.0, end - clock()))

    def _pending(self) -> Iterator[Event]:
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._events.get_nowait()

    def _deadlines(self) -> Deadlines | None:
        if self._child is None or self._renewed is None:
            return None
        return Deadlines(self._renewed, self._told, self._patience)

    def _take_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True
            self._systemd.send("STOPPING=1")
            self._tell()
        elif number == signal.SIGUSR1:
            self._back = RESERVED
        elif number in (signal.SIGHUP, signal.SIGUSR2) and self._child is not None:
            self._signal(number)

    def _take_event(self, event: Event) -> None:
        now = self._heard = clock()
        if isinstance(event, Renewed):
            if not is_fresh(event.sent, now):
                return
            self._renewed, self._failures, self._problem = event.sent, event.failures, ""
            # systemd kills this program unless it hears of the next renewal in time.
            self._systemd.send("WATCHDOG=1")
            if self._child is None and not self._stopping:
                self._start()
            self._show()
        elif isinstance(event, Other):
            self._problem = ""
            if self._child is not None:
                # This host's time was over before it knew: it stood still, or somebody has changed the row.
                log(f"{event.host or 'nobody'} holds the lease now; the agent is killed")
                self._kill()
            self._renewed = None
            self._show(event.host)
        elif isinstance(event, Failed):
            if event.why != self._problem:
                self._problem = event.why
                log(f"the database cannot be used: {event.why}")
            self._show_away()

    def _look_at_child(self) -> int | None:
        """Learn whether the agent has ended, and give the row back if it has; return the exit code at the end."""
        status = self._reap()
        if status is not None:
            told, self._told = self._told, None
            # As systemd ends what is left of a unit whose main process has ended.
            self._end_all()
            if not self._stopping and told is None:
                return self._ended_by_itself(status)
            log("the agent has ended")
            self._show_away()
        if self._stopping and self._child is None:
            self._give_back(self._back, 0)
            return 0
        return None

    def _reap(self) -> int | None:
        """Return the agent's exit code if it has ended now."""
        ended = reaped()
        if self._child is None or self._child.pid not in ended:
            return None
        status = self._child.returncode = ended[self._child.pid]
        self._child = None
        return status

    def _end_all(self) -> None:
        if left := processes.end_all():
            log(f"processes {', '.join(map(str, left))} do not end; systemd has to end them")
            # systemd kills what is left of the unit, also what runs as root.
            os._exit(1)

    def _ended_by_itself(self, status: int) -> int:
        back, failures = given_back(self._failures, clock() - self._began)
        log(
            f"the agent has ended by itself with status {status}"
            + ("; another host may run it" if back == FREE else "")
        )
        self._give_back(back, failures)
        return 1

    def _give_back(self, state: str, failures: int) -> None:
        self._keeper.give_back(state, failures)
        end = clock() + GIVE_BACK_SECONDS
        while (left := end - clock()) > 0:
            with contextlib.suppress(queue.Empty):
                if isinstance(self._events.get(timeout=left), Done):
                    return

    def _keep_deadlines(self) -> int | None:
        now, limits = clock(), self._deadlines()
        if limits is None:
            if now - self._heard > SILENT_SECONDS:
                log(f"the database has not answered for {SILENT_SECONDS:.0f} s")
                return 1
            # Without an agent, nothing has to be killed.
            self._systemd.send("WATCHDOG=1")
            return None
        if now >= limits.kill:
            late = f"the lease was not renewed for {KILL_SECONDS:.0f} s"
            log(f"{late if now >= limits.renewed + KILL_SECONDS else 'the agent does not end'}; the agent is killed")
            self._kill()
        elif now >= limits.stop and limits.told is None:
            log(f"the lease was not renewed for {STOP_SECONDS:.0f} s; the agent is told to end")
            self._tell()
        return None

    def _start(self) -> None:
        environment = dict(os.environ)
        if self._readiness is not None:
            name = self._readiness.getsockname()
            environment["NOTIFY_SOCKET"] = name if isinstance(name, str) else "@" + name[1:].decode()
        # The file begins the agent by itself, so that no code of this process runs between fork and exec.
        first = [sys.executable, "-I", "-S", processes.__file__, str(os.getpid())]
        log("this host has the lease; the agent is started")
        self._child = subprocess.Popen([*first, *self._command], env=environment, start_new_session=True)
        self._began, self._told, self._ready = clock(), None, self._readiness is None

    def _tell(self) -> None:
        if self._child is not None and self._told is None:
            self._told = clock()
            self._signal(signal.SIGTERM)

    def _kill(self) -> None:
        self._end_all()
        self._reap()
        self._told = None
        self._show_away()

    def _signal(self, number: int) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, number)

    def _show_away(self) -> None:
        if self._child is None:
            self._systemd.show(AWAY, "", 0, f"the database cannot be used: {self._problem or 'the lease has ended'}")

    def _show(self, host: str = "") -> None:
        if self._child is None:
            self._systemd.show(WAITS, host, 0, f"waits; {host or 'another host'} runs the agent")
        elif self._ready:
            self._systemd.show(RUNS, self._host, self._child.pid, "runs the agent")
        else:
            self._systemd.show(STARTS, self._host, self._child.pid, "starts the agent")


def reaped() -> dict[int, int]:
    """Take the processes below this one that have ended; return their exit codes by their ids."""
    ended: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            ended[pid] = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    return ended


def readiness_socket(folder: str) -> socket.socket:
    """Return the socket at which the agent tells that it is ready: in the unit's folder, or one without a path."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = os.path.join(folder, "notify") if folder else ""
    if path:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    listening.bind(path)
    listening.setblocking(False)
    return listening


def own_name() -> str:
    """Return the name of this host, for people and for a row that is kept for it."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:HOST_LENGTH] or "-"


def log(text: str) -> None:
    """Write a line to the journal."""
    print(f"lease.py: {text}", file=sys.stderr, flush=True)


def url_of(arguments: argparse.Namespace) -> str:
    """Return the database's URL. Raises LookupError for a missing one, and OSError for an unreadable file."""
    if arguments.variable:
        if not (url := os.environ.get(arguments.variable, "")):
            raise LookupError(f"the variable {arguments.variable} is not set")
        return url
    section, _, option = arguments.option.rpartition("/")
    if not (url := servers.options(arguments.config, section).get(option, "")):
        raise LookupError(f"{arguments.config} has no option {arguments.option}")
    return url


def parsed(words: list[str]) -> argparse.Namespace:
    """Return the arguments. Raises SystemExit for others than the usage names."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--agent", required=True)
    parser.add_argument("--config")
    parser.add_argument("--option", default="database/connection")
    parser.add_argument("--variable")
    parser.add_argument("--notify", action="store_true")
    parser.add_argument("--stop-timeout", type=float, default=60.0)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args(words)
    if bool(arguments.config) == bool(arguments.variable):
        parser.error("one of --config and --variable is needed")
    return arguments


def main(words: list[str]) -> int:
    """Run the agent where this host holds the row; return the exit code."""
    arguments = parsed(words)
    environment: Any = os.environ
    systemd = Systemd(environment)
    for name in ("WATCHDOG_USEC", "WATCHDOG_PID"):
        os.environ.pop(name, None)
    # On a busy machine, this takes long. Until it is done, systemd's watchdog does not count.
    with contextlib.suppress(ImportError):
        importlib.import_module("sqlalchemy")
    table = Table(lambda: url_of(arguments), arguments.agent)
    return Program(arguments.command, table, systemd, arguments.notify, arguments.stop_timeout).run()


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # The keeper's thread may wait for an answer, and Python would wait for the thread's driver.
    os._exit(code)
