"""telemetry-expirer: delete samples, events and alarm history that are older than their time to live."""

import contextlib
import datetime as dt
import logging
import sys

from oslo_config import cfg

from telemetry import timestamps
from telemetry.cmd import options
from telemetry.errors import NotSupportedError
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)


def _oldest_to_keep(seconds: int) -> dt.datetime | None:
    """Return the time before which everything is deleted, or None to keep everything."""
    if seconds <= 0:
        return None
    try:
        return timestamps.utcnow() - dt.timedelta(seconds=seconds)
    except OverflowError:
        return None


def expire(conf: cfg.ConfigOpts) -> None:
    """Delete what is older than its time to live. Raises UnavailableError."""
    database = conf.database
    stores = Stores(conf)
    for driver in stores.all:
        driver.apply_retention()
    if before := _oldest_to_keep(database.metering_time_to_live):
        LOG.info("%d samples deleted", stores.metering.expire_samples(before, database.sql_expire_samples_only))
    if before := _oldest_to_keep(database.event_time_to_live):
        LOG.info("%d events deleted", stores.event.expire_events(before))
    if before := _oldest_to_keep(database.alarm_history_time_to_live):
        LOG.info("%d alarm changes deleted", stores.alarm.expire_alarm_history(before))
    if before := _oldest_to_keep(conf.alarm.notification_time_to_live):
        with contextlib.suppress(NotSupportedError):
            LOG.info("%d notifications deleted", stores.evaluation.expire_notifications(before))


def main() -> int:
    """Entry point."""
    return options.run(expire)


if __name__ == "__main__":
    sys.exit(main())
