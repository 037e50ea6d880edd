"""The queue of notifications, and telemetry-notifier's loop with real receivers."""

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from telemetry import timestamps
from telemetry.alarms import actions
from telemetry.alarms import notifier as loop
from telemetry.alarms.delivery import Delivery
from telemetry.alarms.notifier import Notifier
from telemetry.cmd import expirer
from telemetry.storage.interface import EvaluationStore
from telemetry.storage.records import Alarm, Notification
from telemetry.storage.stores import Stores

from tests.conftest import configuration
from tests.receivers import receiver, silent, status, unused_port

FAR = dt.datetime(2100, 1, 1)
NOW = timestamps.utcnow()


@pytest.fixture
def store(clean: str) -> Iterator[EvaluationStore]:
    stores = Stores(configuration(clean))
    yield stores.evaluation
    stores.close()


def alarm(alarm_id: str) -> Alarm:
    return Alarm(
        alarm_id=alarm_id,
        type="threshold",
        enabled=True,
        name="n",
        description="",
        timestamp=NOW,
        user_id=None,
        project_id=None,
        state="ok",
        state_timestamp=NOW,
        ok_actions=[],
        alarm_actions=[],
        insufficient_data_actions=[],
        repeat_actions=False,
        rule={},
        time_constraints=[],
        severity="low",
    )


class Queue:
    """Puts notifications into the store, as an evaluator does."""

    def __init__(self, store: EvaluationStore) -> None:
        self._store: Any = store
        self._alarms: dict[str, Alarm] = {}
        self._number = 0

    def add(self, action: str, current: str = "alarm", alarm_id: str = "a1", age: float = 0) -> Notification:
        if alarm_id not in self._alarms:
            self._alarms[alarm_id] = alarm(alarm_id)
            self._store.create_alarm(self._alarms[alarm_id], None)
        self._number += 1
        created = NOW - dt.timedelta(seconds=age) + dt.timedelta(milliseconds=self._number)
        body = {
            "alarm_name": "n",
            "severity": "low",
            "previous": "ok",
            "current": current,
            "reason": "because",
            "reason_data": {},
        }
        one = Notification(f"n{self._number}", alarm_id, action, actions.receiver_of(action), body, created, created)
        assert self._store.change_alarm_state(self._alarms[alarm_id], "ok", created, None, [one])
        return one


@pytest.fixture
def queue(store: EvaluationStore) -> Queue:
    return Queue(store)


@contextlib.contextmanager
def notifying(url: str, store: EvaluationStore, count: int = 1, **options: Any) -> Iterator[None]:
    """Run notifiers within the block."""
    defaults: dict[str, Any] = {
        "rest_notifier_refused_networks": [],
        "rest_notifier_timeout": 60.0,
        "rest_notifier_retry_pause": 0.05,
    }
    conf = configuration(url, **{f"alarm__{name}": value for name, value in (defaults | options).items()})
    stop = threading.Event()
    threads = [threading.Thread(target=Notifier(conf, store, Delivery(conf)).run, args=(stop,)) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def ids(notifications: list[Notification]) -> list[str]:
    return [notification.notification_id for notification in notifications]


def wait_until_empty(store: EvaluationStore, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while left := store.due_notifications(FAR, 100):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_the_queue(store: EvaluationStore, queue: Queue) -> None:
    first = queue.add("http://one/")
    queue.add("http://two/", alarm_id="a2")
    listed = store.due_notifications(timestamps.utcnow() + dt.timedelta(minutes=1), 100)
    assert listed[0] == first
    assert ids(listed) == ["n1", "n2"]
    assert ids(store.due_notifications(FAR, 1)) == ["n1"]
    assert ids(store.due_notifications(FAR, 100, {"http://one"})) == ["n2"]
    assert store.due_notifications(NOW - dt.timedelta(hours=1), 100) == []
    later = timestamps.utcnow() + dt.timedelta(hours=1)
    (mine, _), (other, _) = listed, store.due_notifications(FAR, 100)
    assert store.claim_notification(mine, later)
    assert (mine.due, mine.attempts) == (later, 1)
    assert not store.claim_notification(other, later)
    assert ids(store.due_notifications(timestamps.utcnow() + dt.timedelta(minutes=1), 100)) == ["n2"]
    store.postpone_notification(mine, NOW)
    assert ids(store.due_notifications(timestamps.utcnow(), 100)) == ["n1", "n2"]
    store.delete_notification(mine)
    assert not store.claim_notification(mine, later)
    assert ids(store.due_notifications(FAR, 100)) == ["n2"]
    assert store.expire_notifications(NOW - dt.timedelta(hours=1)) == 0
    assert store.expire_notifications(FAR) == 1


def test_an_older_notification_comes_first(store: EvaluationStore, queue: Queue) -> None:
    """A receiver that was away must not learn last what happened first."""
    older = queue.add("http://one/")
    queue.add("http://one/", "ok")
    queue.add("http://two/", "ok")
    later = timestamps.utcnow() + dt.timedelta(hours=1)
    assert store.claim_notification(older, later)
    soon = timestamps.utcnow() + dt.timedelta(minutes=1)
    for _ in range(2):
        assert ids(store.due_notifications(soon, 100)) == ["n3"]
    store.delete_notification(older)
    assert sorted(ids(store.due_notifications(soon, 100))) == ["n2", "n3"]


def test_waiting_notifications_do_not_hide_others(store: EvaluationStore, queue: Queue) -> None:
    older = queue.add("http://one/")
    for _ in range(5):
        queue.add("http://one/", "ok")
    assert store.claim_notification(older, timestamps.utcnow() + dt.timedelta(hours=1))
    queue.add("http://two/", "ok")
    soon = timestamps.utcnow() + dt.timedelta(minutes=1)
    listings = [ids(store.due_notifications(soon, 2)) for _ in range(4)]
    assert ["n7"] in listings


def test_the_expirer_deletes_what_nobody_sent(store: EvaluationStore, queue: Queue, clean: str) -> None:
    queue.add("http://one/", age=7200)
    queue.add("http://two/")
    expirer.expire(configuration(clean, alarm__notification_time_to_live=3600))
    assert ids(store.due_notifications(FAR, 100)) == ["n2"]


def test_each_notification_is_delivered_once(store: EvaluationStore, queue: Queue, clean: str) -> None:
    with receiver() as one:
        for number in range(20):
            queue.add(one.url, alarm_id=f"a{number}")
        with notifying(clean, store, count=2):
            one.wait(20)
            wait_until_empty(store)
    assert len({request.headers["x-openstack-request-id"] for request in one.requests}) == len(one.requests) == 20


def test_a_receiver_that_was_away(store: EvaluationStore, queue: Queue, clean: str) -> None:
    """Both notifications come when the receiver is back, each once and in their order."""
    port = unused_port()
    url = f"http://127.0.0.1:{port}/hook"
    queue.add(url, "alarm")
    queue.add(url, "ok")
    with notifying(clean, store, rest_notifier_max_retries=1000), contextlib.ExitStack() as stack:
        deadline = time.monotonic() + 120
        while not any(one.attempts > 1 for one in store.due_notifications(FAR, 10)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        back = stack.enter_context(receiver(status(503), port=port))
        back.wait(1)
        back.requests.clear()
        back.answer = status(200)
        wait_until_empty(store)
        # One that was answered 503 may have come in between.
        assert back.states()[-1] == "ok"
        assert back.states()[:-1] == ["alarm"] * (len(back.requests) - 1)


def test_attempts_come_to_an_end(
    store: EvaluationStore, queue: Queue, clean: str, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver(status(500)) as failing, receiver(status(404)) as gone:
        queue.add(failing.url + "?SECRET")
        queue.add(gone.url, alarm_id="a2")
        queue.add(gone.url, alarm_id="a3", age=100_000)
        with notifying(clean, store, rest_notifier_max_retries=2):
            wait_until_empty(store)
    assert (len(failing.requests), len(gone.requests)) == (3, 1)
    assert "Notification n1 of alarm a1 for http://127.0.0.1:" in caplog.text
    assert "is given up: the answer is status 500" in caplog.text
    assert "is given up: the answer is status 404" in caplog.text
    assert "Notification n3 of alarm a3" in caplog.text
    assert "is given up: it is too old" in caplog.text
    assert "SECRET" not in caplog.text


def test_receivers_that_hang_do_not_stop_others(store: EvaluationStore, queue: Queue, clean: str) -> None:
    with silent() as one, silent() as two, receiver() as good:
        for number in range(10):
            queue.add(one, alarm_id=f"one{number}", age=60)
            queue.add(two, alarm_id=f"two{number}", age=60)
        for number in range(10):
            queue.add(good.url, alarm_id=f"good{number}")
        with notifying(clean, store, notifier_workers=5, rest_notifier_timeout=15.0):
            good.wait(10)
            # Two at a time hang at each. Without this limit, each of the 20 would have its turn first.
            assert sum(one.attempts for one in store.due_notifications(FAR, 100)) < 20


def test_an_attempt_that_a_crash_interrupts_is_made_again(
    store: EvaluationStore, queue: Queue, clean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notifier that died owns the notification until the time of an attempt is over."""
    with receiver() as one:
        lost = queue.add(one.url)
        assert store.claim_notification(lost, timestamps.utcnow() + dt.timedelta(seconds=1))
        with notifying(clean, store):
            one.wait(1)
            wait_until_empty(store)
        assert len(one.requests) == 1


def test_attempts_that_all_crash_come_to_an_end(store: EvaluationStore, queue: Queue, clean: str) -> None:
    with receiver() as one:
        poison = queue.add(one.url)
        for _ in range(3):
            assert store.claim_notification(poison, timestamps.utcnow())
        with notifying(clean, store, rest_notifier_max_retries=2):
            wait_until_empty(store)
        assert one.requests == []


def test_pauses() -> None:
    assert [loop._pause(5, failures, 300) for failures in (1, 2, 3, 7, 10**6)] == [5, 10, 20, 300, 300]
