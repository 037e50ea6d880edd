"""Posted samples on their way to the message bus."""

import logging
import uuid
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from telemetry import timestamps
from telemetry.errors import UnavailableError
from telemetry.messaging import bus

LOG = logging.getLogger(__name__)
EVENT_TYPE = PUBLISHER = "telemetry.api"
# Of the drivers that use the bus; others, such as log, never fail.
VERSIONS = {"messaging": 1.0, "messagingv2": 2.0}


class SampleNotifier:
    """Sends samples as notifications of type telemetry.api."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        # Loaded only where there is a bus: it costs a process without one 15 MB.
        import oslo_messaging

        self._target = oslo_messaging.Target
        self._transport = oslo_messaging.get_notification_transport(bus.configuration(conf), bus.url(conf))
        self._options = conf.publisher_notifier
        self._notifier = oslo_messaging.Notifier(
            self._transport, driver=self._options.telemetry_driver, publisher_id=PUBLISHER,
            topics=self._options.topics, retry=self._options.retry,
        )

    def send(self, messages: Sequence[dict[str, Any]], user_id: str | None, project_id: str | None) -> None:
        """Send signed sample messages in one notification. Raises UnavailableError when the bus is away."""
        context = {"user": user_id, "tenant": project_id, "is_admin": True}
        payload = {"samples": list(messages)}
        version = VERSIONS.get(self._options.telemetry_driver)
        if version is None:
            self._notifier.sample(context, EVENT_TYPE, payload)
            return
        notification = {
            "message_id": str(uuid.uuid4()), "publisher_id": PUBLISHER, "event_type": EVENT_TYPE,
            "priority": "SAMPLE", "payload": payload, "timestamp": str(timestamps.utcnow()),
        }
        # oslo.messaging's notifier only logs what it could not send: the caller would believe that it was taken.
        for topic in self._options.topics:
            try:
                self._transport._send_notification(
                    self._target(topic=f"{topic}.sample"), context, notification, version=version,
                    retry=self._options.retry,
                )
            except Exception as error:
                # Failure to deliver, to connect, to open a channel: each layer below has an exception of its own.
                LOG.warning("Samples cannot be sent to %s: %s", topic, error)
                raise UnavailableError("The message bus does not answer") from error

    def announce(self, event_type: str, payload: dict[str, Any], user_id: str | None, project_id: str | None) -> None:
        """Tell the bus of a change. A bus that is away is only logged: the change itself is done."""
        self._notifier.info({"user": user_id, "tenant": project_id}, event_type, payload)


def make_notifier(conf: cfg.ConfigOpts) -> SampleNotifier | None:
    """Return a notifier, or None where no bus is configured: samples are then stored by the API itself."""
    return SampleNotifier(conf) if bus.url(conf) else None
