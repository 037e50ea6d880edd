"""telemetry-expirer: delete samples, events and alarm history that have passed their time to live."""

import datetime as dt
import logging
import sys

from oslo_config import cfg

from telemetry import timestamps
from telemetry.cmd import options
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)


def _edge(seconds: int) -> dt.datetime | None:
    """Return the time before which things have passed, or None to keep everything."""
    if seconds <= 0:
        return None
    try:
        return timestamps.utcnow() - dt.timedelta(seconds=seconds)
    except OverflowError:
        return None


def expire(conf: cfg.ConfigOpts) -> None:
    """Delete what has passed its time. Raises UnavailableError."""
    database = conf.database
    stores = Stores(conf)
    if edge := _edge(database.metering_time_to_live):
        LOG.info("%d samples deleted", stores.metering.expire_samples(edge, database.sql_expire_samples_only))
    if edge := _edge(database.event_time_to_live):
        LOG.info("%d events deleted", stores.event.expire_events(edge))
    if edge := _edge(database.alarm_history_time_to_live):
        LOG.info("%d alarm changes deleted", stores.alarm.expire_alarm_history(edge))


def main() -> int:
    """Entry point."""
    return options.run(expire)


if __name__ == "__main__":
    sys.exit(main())
