"""Puts the way to the message bus (`request.notifier`) on the request, or None where there is no bus."""

import threading
from typing import Any

from oslo_config import cfg
from pecan import hooks

from telemetry.messaging.notifier import SampleNotifier, make_notifier


class NotifierHook(hooks.PecanHook):  # type: ignore[misc]
    """`request.notifier`, made with the first request that comes."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._made = False
        self._notifier: SampleNotifier | None = None

    def on_route(self, state: Any) -> None:
        with self._lock:
            if not self._made:
                self._notifier = make_notifier(self._conf)
                self._made = True
        state.request.notifier = self._notifier
