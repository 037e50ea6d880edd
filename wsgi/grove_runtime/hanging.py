"""Replaces a daemon process in which a request hangs.

mod_wsgi's own request-timeout ends all processes of a group at once when requests hang in all of them. Each process
then accepts no more requests until its shutdown-timeout has passed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, NamedTuple

from .turn import Turn, turn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
SENDING_SECONDS = 5.0
"""Seconds that answers whose bodies are being sent have at least, before the process is killed."""
LONGEST_PAUSE = 1.0
"""Seconds between two looks at the running requests, at most."""


class Request(NamedTuple):
    """A request that the application has not begun to answer: its start (monotonic seconds), thread, and target."""

    start: float
    thread: int
    target: str


class Watch:
    """Finds the requests of a process that hang: those that take more than ``limit`` seconds."""

    def __init__(self, limit: float, process_turn: Turn) -> None:
        self.limit = limit
        self.running: dict[object, Request] = {}
        self._turn = process_turn
        self._ending_since: float | None = None

    def due_signal(self) -> int | None:
        """Return the signal that the process has to get now: SIGINT to accept no more requests, SIGKILL to end."""
        now = time.monotonic()
        running = list(self.running.values())
        hanging = [request for request in running if now - request.start > self.limit]
        if not hanging:
            return None
        if self._ending_since is None:
            if not self._turn.acquire(urgent=False):
                return None
            self._ending_since = now
            oldest = min(hanging, key=lambda request: request.start)
            stack = "".join(traceback.format_stack(sys._current_frames().get(oldest.thread)))
            _log.error(
                "hanging: %s has taken %d s, and this process is replaced; it is at\n%s",
                oldest.target,
                now - oldest.start,
                stack,
            )
            return signal.SIGINT
        only_hanging_left = len(hanging) == len(running)
        return signal.SIGKILL if only_hanging_left and now - self._ending_since >= SENDING_SECONDS else None

    def watch(self) -> None:
        """Look at the requests again and again, and send this process the signals that are due. Never returns."""
        while True:
            time.sleep(min(LONGEST_PAUSE, self.limit / 4))
            number = self.due_signal()
            if number is not None:
                os.kill(os.getpid(), number)


def guard(application: WSGIApplication, limit: float) -> WSGIApplication:
    """Return ``application`` so that the process is replaced when a request takes more than ``limit`` seconds.

    A request's time ends when the application begins to answer. Requests that do not hang are waited for.
    """
    watch = Watch(limit, turn)
    threading.Thread(target=watch.watch, name="grove-hanging", daemon=True).start()

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        key = object()
        target = f"{environ.get('REQUEST_METHOD', '')} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        watch.running[key] = Request(time.monotonic(), threading.get_ident(), target)
        try:
            return application(environ, start_response)
        finally:
            del watch.running[key]

    return guarded
