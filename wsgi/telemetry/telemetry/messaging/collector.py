"""Stores the samples and events of notifications, for telemetry-collector."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from telemetry import signing
from telemetry.errors import BadQueryError, UnavailableError
from telemetry.messaging import bus, messages
from telemetry.storage.records import Event, Sample
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)


def samples_in(payload: Any) -> list[Mapping[str, Any]]:
    """Return the sample messages of a payload: {"samples": [...]} of this API or a pollster, or a publisher's list."""
    payload_samples = payload.get("samples", []) if isinstance(payload, Mapping) else payload
    if not isinstance(payload_samples, list):
        return []
    return [item for item in payload_samples if isinstance(item, Mapping) and "counter_name" in item]


def events_in(payload: Any) -> list[Mapping[str, Any]]:
    """Return the event messages of a payload: a publisher's list, or a single event."""
    events = payload if isinstance(payload, list) else [payload]
    return [item for item in events if isinstance(item, Mapping) and "event_type" in item and "generated" in item]


class BatchEndpoint:
    """Receives batches of notifications of priority `sample`. They return to the queue if a store does not answer."""

    def __init__(self, conf: cfg.ConfigOpts, stores: Stores) -> None:
        import oslo_messaging

        self._handled = oslo_messaging.NotificationResult.HANDLED
        self._requeue = oslo_messaging.NotificationResult.REQUEUE
        self._conf = conf
        self._stores = stores
        self._secret = conf.publisher.telemetry_secret
        self._reader = messages.Reader(source=conf.sample_source, sourced_by_project=False)

    def sample(self, notifications: Sequence[Mapping[str, Any]]) -> Any:
        """Store the samples and events of a batch. A sample or event that comes again is stored once."""
        payloads = [notification["payload"] for notification in notifications]
        try:
            self._store(payloads)
        except UnavailableError as error:
            LOG.warning("%d notifications return to the queue: %s", len(payloads), error)
            # Without a pause, the same messages would come back at once until the database answers.
            time.sleep(self._conf.collector.requeue_delay)
            return self._requeue
        return self._handled

    def _store(self, payloads: Iterable[Any]) -> None:
        samples: list[Sample] = []
        events: list[Event] = []
        for payload in payloads:
            samples.extend(filter(None, map(self._sample, samples_in(payload))))
            events.extend(filter(None, map(self._event, events_in(payload))))
        if samples:
            stored = self._store_batch(self._stores.metering.record_samples, samples)
            LOG.debug("%d of %d samples stored", stored, len(samples))
        if events:
            self._store_batch(self._stores.event.record_events, events)

    @staticmethod
    def _store_batch(record: Any, items: list[Any]) -> int:
        """Store a batch, or each item alone if the database refuses the batch. Return the number of stored items."""
        try:
            return int(record(items).stored)
        except BadQueryError:
            stored = 0
            for item in items:
                try:
                    stored += record([item]).stored
                except BadQueryError as error:
                    LOG.error("Message %s cannot be stored: %s", item.message_id, error)
            return stored

    def _sample(self, message: Mapping[str, Any]) -> Sample | None:
        if not self._trusted(message):
            return None
        try:
            return self._reader.sample({key: message[key] for key in message.keys() & messages.MEMBERS})
        except messages.MessageError as error:
            LOG.error("A sample cannot be stored: %s", error)
            return None

    def _event(self, message: Mapping[str, Any]) -> Event | None:
        if not self._trusted(message):
            return None
        try:
            return messages.event(message)
        except messages.MessageError as error:
            LOG.error("An event cannot be stored: %s", error)
            return None

    def _trusted(self, message: Mapping[str, Any]) -> bool:
        if signing.is_signed(message, self._secret):
            return True
        LOG.warning("A message with a wrong signature is dropped: %s", message.get("message_id"))
        return False


def make_listener(conf: cfg.ConfigOpts, stores: Stores) -> Any:
    """Return oslo.messaging's listener: start(), stop(), wait()."""
    import oslo_messaging

    options = conf.collector
    transport = oslo_messaging.get_notification_transport(bus.configuration(conf), bus.url(conf))
    return oslo_messaging.get_batch_notification_listener(
        transport,
        [oslo_messaging.Target(topic=topic) for topic in options.topics],
        [BatchEndpoint(conf, stores)],
        executor="threading",
        allow_requeue=True,
        batch_size=options.batch_size,
        batch_timeout=options.batch_timeout,
    )
