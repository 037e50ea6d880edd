"""telemetry-notifier: call the actions of alarms whose states have changed."""

import logging
import sys

from oslo_config import cfg

from telemetry.alarms.delivery import Delivery
from telemetry.alarms.notifier import Notifier
from telemetry.cmd import options
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)


def notify(conf: cfg.ConfigOpts) -> None:
    """Send notifications until SIGTERM or SIGINT. Raises TelemetryError with another release's schema."""
    stores = Stores(conf)
    stores.check()
    stores.evaluation.check_evaluation()
    stop = options.stop_signals()
    notifier = Notifier(conf, stores.evaluation, Delivery(conf))
    LOG.info("Sending notifications of alarms")
    notifier.run(stop)
    stores.close()


def main() -> int:
    """Entry point."""
    return options.run(notify)


if __name__ == "__main__":
    sys.exit(main())
