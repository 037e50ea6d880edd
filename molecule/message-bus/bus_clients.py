"""Clients of the brokers that use oslo.messaging in threads, as services do: notifications, and calls with answers."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import oslo_messaging
from oslo_config import cfg

VHOST, ACCOUNT, PASSWORD = "shop-cluster", "shop_1", "opensesame"
TOPIC, SERVER = "orders", "till"
PAUSE = 0.05
"""Seconds between two notifications, and between two calls."""
CALL_SECONDS = 10
WAIT_SECONDS = 600.0
"""Until each client is at work: generous, for a busy machine."""


@dataclass
class Traffic:
    """What the clients have seen: numbers of notifications, and the time and the outcome of each call."""

    acknowledged: list[int] = field(default_factory=list)
    received: set[int] = field(default_factory=set)
    calls: list[tuple[float, bool]] = field(default_factory=list)

    @property
    def lost(self) -> list[int]:
        """The notifications that the broker has acknowledged, and that did not arrive."""
        return [number for number in self.acknowledged if number not in self.received]

    def longest_pause(self) -> float:
        """Return the longest time between two calls that were answered, in seconds."""
        answered = [moment for moment, outcome in self.calls if outcome]
        return max((later - earlier for earlier, later in itertools.pairwise(answered)), default=0.0)

    def answered_after(self, moment: float) -> bool:
        """Return whether a call that began after a moment was answered."""
        return any(outcome for when, outcome in self.calls if when > moment)


class Listener:
    """The endpoint of notifications."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic

    def info(self, _context: object, _publisher: str, _event: str, payload: dict[str, int], _meta: object) -> None:
        """Take a notification."""
        self.traffic.received.add(payload["number"])


class Till:
    """The endpoint of calls."""

    def double(self, _context: object, number: int) -> int:
        """Answer a call."""
        return 2 * number


def transport_url(addresses: Sequence[str]) -> str:
    """Return the URL of several brokers, as Grove's services have it."""
    nodes = ",".join(f"{ACCOUNT}:{PASSWORD}@{address}:5672" for address in addresses)
    return f"rabbit://{nodes}/{VHOST}"


def configuration(addresses: Sequence[str]) -> cfg.ConfigOpts:
    """Return the options that Grove's services have where there are several brokers."""
    # oslo.messaging registers some of its options nowhere else.
    conf = cfg.CONF
    conf([])
    # It knows the options once it has made a transport.
    oslo_messaging.get_notification_transport(conf, url=transport_url(addresses)).cleanup()
    options = {"rabbit_quorum_queue": True, "rabbit_transient_quorum_queue": True, "rabbit_interval_max": 2}
    for name, value in options.items():
        conf.set_override(name, value, group="oslo_messaging_rabbit")
    return conf


@contextmanager
def traffic(addresses: Sequence[str]) -> Iterator[Traffic]:
    """Send notifications and calls during the block. Afterwards, the listener has got what it can get."""
    seen = Traffic()
    stop = threading.Event()
    conf, url = configuration(addresses), transport_url(addresses)
    notifications = oslo_messaging.get_notification_transport(conf, url=url)
    calls = oslo_messaging.get_rpc_transport(conf, url=url)
    listener = oslo_messaging.get_notification_listener(
        notifications, [oslo_messaging.Target(topic=TOPIC)], [Listener(seen)], executor="threading"
    )
    server = oslo_messaging.get_rpc_server(
        calls, oslo_messaging.Target(topic=SERVER, server="one"), [Till()], executor="threading"
    )
    listener.start()
    server.start()
    threads = [
        threading.Thread(target=_notify, args=(notifications, seen, stop)),
        threading.Thread(target=_call, args=(calls, seen, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        _until(lambda: len(seen.received) > 20 and any(outcome for _, outcome in seen.calls))
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT_SECONDS)
        end = time.monotonic() + WAIT_SECONDS
        while seen.lost and time.monotonic() < end:
            time.sleep(1)
        for one in (listener, server):
            one.stop()
            one.wait()
        notifications.cleanup()
        calls.cleanup()


def notify(addresses: Sequence[str], topic: str, count: int) -> None:
    """Send notifications of a topic that nobody reads."""
    transport = oslo_messaging.get_notification_transport(configuration(addresses), url=transport_url(addresses))
    notifier = oslo_messaging.Notifier(transport, "till", driver="messagingv2", topics=[topic])
    for number in range(count):
        notifier.info({}, "sold", {"number": number})
    transport.cleanup()


def _notify(transport: oslo_messaging.Transport, seen: Traffic, stop: threading.Event) -> None:
    notifier = oslo_messaging.Notifier(transport, "till", driver="messagingv2", topics=[TOPIC], retry=-1)
    number = 0
    while not stop.is_set():
        # It returns when the broker has the notification, and raises otherwise.
        try:
            notifier.info({}, "sold", {"number": number})
        except oslo_messaging.MessagingException:
            continue
        finally:
            number += 1
        seen.acknowledged.append(number - 1)
        time.sleep(PAUSE)


def _call(transport: oslo_messaging.Transport, seen: Traffic, stop: threading.Event) -> None:
    client = oslo_messaging.get_rpc_client(transport, oslo_messaging.Target(topic=SERVER), timeout=CALL_SECONDS)
    number = 0
    while not stop.is_set():
        number += 1
        began = time.monotonic()
        try:
            outcome = client.call({}, "double", number=number) == 2 * number
        except oslo_messaging.MessagingException:
            outcome = False
        seen.calls.append((began, outcome))
        time.sleep(PAUSE)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)
