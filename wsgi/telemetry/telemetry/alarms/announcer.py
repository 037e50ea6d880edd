"""Sends changes of state to the message bus, if one is configured, without making the evaluation wait for it."""

import contextlib
import logging
import queue
import threading
from collections.abc import Iterator

from oslo_config import cfg

from telemetry.alarms import changes
from telemetry.messaging.notifier import make_notifier
from telemetry.storage.records import AlarmChange

LOG = logging.getLogger(__name__)
# Changes that wait while the bus is away. The history has all of them.
LONGEST_QUEUE = 1000


class Announcer:
    """Sends in a thread."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._notifier = make_notifier(conf)
        self._queue: queue.Queue[AlarmChange] = queue.Queue(LONGEST_QUEUE)

    def announce(self, entry: AlarmChange) -> None:
        """Send an entry soon. Without a bus, do nothing."""
        if self._notifier is None:
            return
        try:
            self._queue.put_nowait(entry)
        except queue.Full:
            LOG.warning("The change of alarm %s is not sent to the message bus, which does not answer", entry.alarm_id)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Send within the block."""
        if self._notifier is not None:
            threading.Thread(target=self._send, name="announcer", daemon=True).start()
        yield

    def _send(self) -> None:
        while True:
            entry = self._queue.get()
            try:
                assert self._notifier is not None
                self._notifier.announce(changes.event_type(entry), changes.payload(entry), None, entry.on_behalf_of)
            except Exception:
                # oslo.messaging logs what it expects itself.
                LOG.exception("The change of alarm %s is not sent to the message bus", entry.alarm_id)
