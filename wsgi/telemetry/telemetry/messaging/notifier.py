"""Posted samples on their way to the message bus."""

import logging
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from telemetry.errors import UnavailableError
from telemetry.messaging import bus

LOG = logging.getLogger(__name__)
EVENT_TYPE = "telemetry.api"


class SampleNotifier:
    """Sends samples as notifications of type telemetry.api."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        # Loaded only where there is a bus: it costs a process without one 15 MB.
        import oslo_messaging

        self._failure = oslo_messaging.MessageDeliveryFailure
        transport = oslo_messaging.get_notification_transport(bus.configuration(conf), bus.url(conf))
        options = conf.publisher_notifier
        self._notifier = oslo_messaging.Notifier(
            transport, driver=options.telemetry_driver, publisher_id="telemetry.api", topics=options.topics,
            retry=options.retry,
        )

    def send(self, messages: Sequence[dict[str, Any]], user_id: str | None, project_id: str | None) -> None:
        """Send signed sample messages in one notification. Raises UnavailableError when the bus is away."""
        context = {"user": user_id, "tenant": project_id, "is_admin": True}
        try:
            self._notifier.sample(context, EVENT_TYPE, {"samples": list(messages)})
        except self._failure as error:
            raise UnavailableError("The message bus does not answer") from error

    def announce(self, event_type: str, payload: dict[str, Any], user_id: str | None, project_id: str | None) -> None:
        """Tell the bus of a change. A bus that is away is only logged: the change itself is done."""
        try:
            self._notifier.info({"user": user_id, "tenant": project_id}, event_type, payload)
        except self._failure:
            LOG.warning("The message bus does not answer: %s is not announced", event_type)


def make_notifier(conf: cfg.ConfigOpts) -> SampleNotifier | None:
    """Return a notifier, or None where no bus is configured: samples are then stored by the API itself."""
    return SampleNotifier(conf) if bus.url(conf) else None
