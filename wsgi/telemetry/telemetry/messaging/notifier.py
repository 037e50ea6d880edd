"""Sends posted samples and changes of alarms to the message bus."""

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
# The message formats of the drivers that use the bus. Other drivers, such as log, cannot fail.
VERSIONS = {"messaging": 1.0, "messagingv2": 2.0}


class SampleNotifier:
    """Sends notifications."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        # Imported only if a message bus is configured: it takes 15 MB.
        import oslo_messaging

        self._target = oslo_messaging.Target
        self._transport = oslo_messaging.get_notification_transport(bus.configuration(conf), bus.url(conf))
        self._options = conf.publisher_notifier
        self._notifier = oslo_messaging.Notifier(
            self._transport,
            driver=self._options.telemetry_driver,
            publisher_id=PUBLISHER,
            topics=self._options.topics,
            retry=self._options.retry,
        )

    def send(self, messages: Sequence[dict[str, Any]], user_id: str | None, project_id: str | None) -> None:
        """Send signed sample messages in one notification. Raises UnavailableError if the bus does not answer."""
        context = {"user": user_id, "tenant": project_id, "is_admin": True}
        payload = {"samples": list(messages)}
        version = VERSIONS.get(self._options.telemetry_driver)
        if version is None:
            self._notifier.sample(context, EVENT_TYPE, payload)
            return
        notification = {
            "message_id": str(uuid.uuid4()),
            "publisher_id": PUBLISHER,
            "event_type": EVENT_TYPE,
            "priority": "SAMPLE",
            "payload": payload,
            "timestamp": str(timestamps.utcnow()),
        }
        # oslo.messaging's notifier only logs a failure, so the client would believe that the samples are accepted.
        for topic in self._options.topics:
            try:
                self._transport._send_notification(
                    self._target(topic=f"{topic}.sample"),
                    context,
                    notification,
                    version=version,
                    retry=self._options.retry,
                )
            except Exception as error:
                # Each layer below has its own exceptions for a failure to connect, to open a channel, to deliver.
                LOG.warning("Samples cannot be sent to %s: %s", topic, error)
                raise UnavailableError("The message bus does not answer") from error

    def announce(self, event_type: str, payload: dict[str, Any], user_id: str | None, project_id: str | None) -> None:
        """Send a notification of a change. A failure is only logged, since the change itself is stored."""
        self._notifier.info({"user": user_id, "tenant": project_id}, event_type, payload)


def make_notifier(conf: cfg.ConfigOpts) -> SampleNotifier | None:
    """Return a notifier, or None if no bus is configured."""
    return SampleNotifier(conf) if bus.url(conf) else None
