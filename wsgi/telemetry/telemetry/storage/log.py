"""The driver `log`: writes samples and events to the log, and stores nothing. URL: `log://`."""

import logging
from collections.abc import Iterable

from telemetry.storage import records
from telemetry.storage.interface import Driver

LOG = logging.getLogger(__name__)


class LogDriver(Driver):
    """Writes samples and events to the log. Every query is answered 501."""

    PRODUCTION_READY = False

    def record_samples(self, samples: Iterable[records.Sample]) -> records.Stored:
        """Log each sample."""
        stored = records.Stored()
        for sample in samples:
            LOG.info("metering data %s for %s: %s", sample.meter, sample.resource_id, sample.volume)
            stored.stored += 1
        return stored

    def record_events(self, events: Iterable[records.Event]) -> records.Stored:
        """Log each event."""
        stored = records.Stored()
        for event in events:
            LOG.info("event %s %s", event.event_type, event.message_id)
            stored.stored += 1
        return stored
