"""Replaces a daemon process in which a request hangs.

mod_wsgi's own request-timeout ends all processes of a group at once when requests hang in all of them, and each then
takes no more requests until its shutdown-timeout has passed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

from .turn import Turn, turn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger(__name__)
GRACE = 5.0
"""Seconds that are left at least for answers whose bodies are being sent."""


class Watch:
    """Looks after the requests of a process; those that take more than ``limit`` seconds hang."""

    def __init__(self, limit: float, own: Turn) -> None:
        self.limit = limit
        # Of each request when it began, in which thread, and what was asked.
        self.running: dict[object, tuple[float, int, str]] = {}
        self._turn = own
        self._told_at: float | None = None

    def look(self) -> int | None:
        """Return the signal that the process has to get now: SIGINT to take no more requests, SIGKILL to end."""
        now = time.monotonic()
        running = list(self.running.values())
        hanging = [request for request in running if now - request[0] > self.limit]
        if not hanging:
            return None
        if self._told_at is None:
            if not self._turn.take(urgent=False):
                return None
            self._told_at = now
            begun, thread, what = min(hanging)
            where = "".join(traceback.format_stack(sys._current_frames().get(thread)))
            _log.error(
                "hanging: %s has taken %d s, and this process is replaced; it is at\n%s", what, now - begun, where
            )
            return signal.SIGINT
        over = now - self._told_at >= GRACE and len(hanging) == len(running)
        return signal.SIGKILL if over else None

    def keep_looking(self) -> None:
        """Look for as long as the process lives."""
        while True:
            time.sleep(min(1.0, self.limit / 4))
            number = self.look()
            if number is not None:
                os.kill(os.getpid(), number)


def guard(application: WSGIApplication, limit: float) -> WSGIApplication:
    """Return ``application`` so that the process is replaced when a request takes more than ``limit`` seconds.

    The time ends when the answer begins. Requests that do not hang are waited for.
    """
    watch = Watch(limit, turn)
    threading.Thread(target=watch.keep_looking, name="grove-hanging", daemon=True).start()

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        key = object()
        what = f"{environ.get('REQUEST_METHOD', '')} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        watch.running[key] = (time.monotonic(), threading.get_ident(), what)
        try:
            return application(environ, start_response)
        finally:
            del watch.running[key]

    return guarded
