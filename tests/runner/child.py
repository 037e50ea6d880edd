"""Tests that run in a copy of the pytest process, which sends its reports to the original."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import pytest

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 90
"""What a stopped child has for ending its programs and removing its hosts, before it is killed."""
Event = tuple[str, tuple[Any, ...]]


class Child:
    """A forked copy of this process that runs a function, and the events that it has sent so far.

    An event is the name of a pytest hook with its arguments, or ``failed`` with a text.
    """

    def __init__(self, session: pytest.Session, work: Callable[[Sender], None]) -> None:
        """Start the copy; ``work`` runs there and sends its events through the Sender."""
        self.connection, sending = Pipe(duplex=False)
        self.started = time.monotonic()
        self.ended = 0.0
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.connection.close()
            _run(session, work, sending, parent)
        sending.close()

    def receive(self) -> list[Event]:
        """Return the events that have come since the last call; ``ended`` is set once there will be no more."""
        events: list[Event] = []
        try:
            while self.connection.poll():
                events.append(self.connection.recv())
        except EOFError:
            self.ended = time.monotonic()
            self.connection.close()
            _, status = os.waitpid(self.pid, 0)
            if status:
                events.append(("failed", (f"its process ended with {_describe(status)}",)))
        return events

    def interrupt(self) -> None:
        """Signal the process to end, with all processes that it started."""
        if not self.ended:
            os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> None:
        """Wait until the interrupted process has ended; kill it when it takes too long."""
        if self.ended:
            return
        end = time.monotonic() + STOP_SECONDS
        while os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
            time.sleep(0.05)
        self.ended = time.monotonic()
        self.connection.close()


class Sender:
    """The plugin of a child that sends reports and warnings to the parent."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config = config
        self._connection = connection
        self.running = False
        """Set when the tests begin: pytest tells a new plugin every warning that there was before."""
        self.hint = ""
        """A note for the report of each failure."""

    def send(self, name: str, *arguments: Any) -> None:
        """Send an event."""
        self._connection.send((name, arguments))

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Send that a test begins."""
        self.send("logstart", nodeid, location)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send the outcome of a phase of a test."""
        if report.failed and self.hint:
            report.sections.append(("Where it ran", self.hint))
        self.send("logreport", self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    def pytest_runtest_logfinish(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Send that a test has ended."""
        self.send("logfinish", nodeid, location)

    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, when: str, nodeid: str, location: tuple[str, int, str] | None
    ) -> None:
        """Send a warning of a test as text: it may not be picklable. The parent has the warnings of the collection."""
        if self.running and when == "runtest":
            category = warning_message.category
            known_category = category if category.__module__ == "builtins" else UserWarning
            source = (str(warning_message.message), known_category, warning_message.filename, warning_message.lineno)
            self.send("warning", source, nodeid, location)

    def warn(self, text: str) -> None:
        """Send a warning that concerns no single test."""
        self.send("warning", (text, UserWarning, "", 0), "", None)


def run_items(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Run the tests, up to the failure that ends the session; for use in a child."""
    for number, item in enumerate(items):
        following = items[number + 1] if number + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail or session.shouldstop:
            break


def replay(config: pytest.Config, event: Event) -> None:
    """Call the pytest hook that the event is about, in the parent."""
    name, arguments = event
    if name == "logreport":
        report = config.hook.pytest_report_from_serializable(config=config, data=arguments[0])
        config.hook.pytest_runtest_logreport(report=report)
    elif name == "warning":
        (text, category, filename, line), nodeid, location = arguments
        message = warnings.WarningMessage(category(text), category, filename, line)
        values = {"warning_message": message, "when": "runtest", "nodeid": nodeid, "location": location}
        config.hook.pytest_warning_recorded.call_historic(kwargs=values)
    else:
        nodeid, location = arguments
        getattr(config.hook, f"pytest_runtest_{name}")(nodeid=nodeid, location=location)


def _run(session: pytest.Session, work: Callable[[Sender], None], connection: Connection, parent: int) -> NoReturn:
    status = 1
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        # Ctrl-C reaches every process of the terminal, and the parent decides what to do. A handler that does
        # nothing, unlike SIG_IGN, is not inherited by the programs that a test starts.
        signal.signal(signal.SIGINT, lambda *_: None)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == parent:
            config = session.config
            _capture_anew(config)
            config.pluginmanager.unregister(name="terminalreporter")
            sender = Sender(config, connection)
            config.pluginmanager.register(sender)
            sender.running = True
            work(sender)
            status = 0
    except KeyboardInterrupt:
        session._setupstate.teardown_exact(None)
    except BaseException:
        connection.send(("failed", (traceback.format_exc(),)))
        status = 0
    finally:
        connection.close()
        os._exit(status)


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _capture_anew(config: pytest.Config) -> None:
    # The parent's capture writes to files whose position all its children would share.
    manager = config.pluginmanager.getplugin("capturemanager")
    if manager is not None:
        manager.stop_global_capturing()
        manager.start_global_capturing()
        manager.suspend_global_capture(in_=False)


def _describe(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit status {code}" if code >= 0 else signal.Signals(-code).name
