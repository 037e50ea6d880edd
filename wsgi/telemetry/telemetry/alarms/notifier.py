"""The loop of telemetry-notifier: sends the notifications that wait in the database.

A notification is deleted after its receiver accepted it. If a crash interrupts an attempt, any notifier makes the next
one when the time of the first is over. So a notification comes at least once. A receiver that does not answer gets a
pause, and keeps few threads busy: others do not wait for it.
"""

import datetime as dt
import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from oslo_config import cfg

from telemetry import timestamps
from telemetry.alarms.delivery import Delivery
from telemetry.alarms.errors import NotDeliveredError, RefusedError
from telemetry.errors import UnavailableError
from telemetry.storage.interface import EvaluationStore
from telemetry.storage.records import Notification

LOG = logging.getLogger(__name__)
# Seconds between two looks for notifications that are due.
POLL = 1.0
# Requests to one receiver at the same time.
PER_RECEIVER = 2
LISTED = 200
# Seconds that an attempt may take beyond its requests, to write the result.
MARGIN = 30.0
LONGEST_RETRY_PAUSE = 300.0
LONGEST_RECEIVER_PAUSE = 60.0


@dataclass
class Pause:
    """A receiver that failed: how many times, and until when it is left alone (time.monotonic)."""

    failures: int = 0
    until: float = 0.0


class Notifier:
    """Sends notifications until it is told to stop."""

    def __init__(self, conf: cfg.ConfigOpts, store: EvaluationStore, delivery: Delivery) -> None:
        options = conf.alarm
        self._store = store
        self._delivery = delivery
        self._workers = options.notifier_workers
        self._attempts = 1 + options.rest_notifier_max_retries
        self._pause = options.rest_notifier_retry_pause
        self._lifetime = options.notification_time_to_live
        # A token of keystone, and then the request.
        self._claim_seconds = 2 * options.rest_notifier_timeout + MARGIN
        self._lock = threading.Lock()
        self._busy: Counter[str] = Counter()
        self._pauses: dict[str, Pause] = {}
        self._ended = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set, and end what was begun. A database that does not answer is waited for."""
        with ThreadPoolExecutor(self._workers, "notifier") as pool:
            while not stop.is_set():
                self._ended.clear()
                try:
                    begun = self._begin(pool)
                except UnavailableError as error:
                    LOG.warning("Notifications cannot be read now: %s", error)
                    begun = 0
                if not begun:
                    # A thread that ends sets it. SIGTERM is seen after POLL at the latest.
                    self._ended.wait(POLL)

    def _begin(self, pool: ThreadPoolExecutor) -> int:
        """Give due notifications to the free threads. Return their number. Raises UnavailableError."""
        with self._lock:
            free = self._workers - self._busy.total()
            now = time.monotonic()
            self._pauses = {
                name: pause for name, pause in self._pauses.items() if now < pause.until + LONGEST_RECEIVER_PAUSE
            }
            avoided = {name for name, pause in self._pauses.items() if now < pause.until}
            avoided |= {name for name, number in self._busy.items() if number >= PER_RECEIVER}
        if free <= 0:
            return 0
        begun = 0
        for notification in self._store.due_notifications(timestamps.utcnow(), LISTED, avoided):
            if begun == free:
                break
            with self._lock:
                if self._busy[notification.receiver] >= PER_RECEIVER:
                    continue
            if not self._store.claim_notification(notification, _after(self._claim_seconds)):
                continue
            with self._lock:
                self._busy[notification.receiver] += 1
            pool.submit(self._work, notification)
            begun += 1
        return begun

    def _work(self, notification: Notification) -> None:
        try:
            self._send(notification)
        except UnavailableError as error:
            LOG.warning("Notification %s is sent again: %s", notification.notification_id, error)
        except Exception:
            LOG.exception("Notification %s", notification.notification_id)
        finally:
            with self._lock:
                self._busy[notification.receiver] -= 1
                if not self._busy[notification.receiver]:
                    del self._busy[notification.receiver]
            self._ended.set()

    def _send(self, notification: Notification) -> None:
        problem: NotDeliveredError
        if (timestamps.utcnow() - notification.created).total_seconds() > self._lifetime:
            problem = RefusedError("it is too old")
        elif notification.attempts > self._attempts:
            problem = RefusedError("its attempts did not come to an end")
        else:
            try:
                self._delivery.deliver(notification)
            except NotDeliveredError as error:
                problem = error
            else:
                with self._lock:
                    self._pauses.pop(notification.receiver, None)
                self._store.delete_notification(notification)
                return
        self._failed(notification, problem)

    def _failed(self, notification: Notification, problem: NotDeliveredError) -> None:
        description = (notification.notification_id, notification.alarm_id, notification.receiver)
        if isinstance(problem, RefusedError) or notification.attempts >= self._attempts:
            LOG.error("Notification %s of alarm %s for %s is given up: %s", *description, problem)
            self._store.delete_notification(notification)
            return
        with self._lock:
            pause = self._pauses.setdefault(notification.receiver, Pause())
            pause.failures += 1
            pause.until = time.monotonic() + _pause(self._pause, pause.failures, LONGEST_RECEIVER_PAUSE)
        seconds = _pause(self._pause, notification.attempts, LONGEST_RETRY_PAUSE)
        LOG.warning("Notification %s of alarm %s for %s is sent again in %.0f s: %s", *description, seconds, problem)
        self._store.postpone_notification(notification, _after(seconds))


def _pause(first: float, failures: int, longest: float) -> float:
    """Return the seconds after a number of failures: twice as long after each."""
    return float(min(first * 2 ** min(failures - 1, 30), longest))


def _after(seconds: float) -> dt.datetime:
    return timestamps.utcnow() + dt.timedelta(seconds=seconds)
