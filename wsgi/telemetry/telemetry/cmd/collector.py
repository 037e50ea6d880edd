"""telemetry-collector: read notifications from the message bus and store their samples and events."""

import logging
import sys

from oslo_config import cfg

from telemetry.cmd import options
from telemetry.errors import TelemetryError
from telemetry.messaging import bus
from telemetry.messaging.collector import make_listener
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)


def collect(conf: cfg.ConfigOpts) -> None:
    """Collect until SIGTERM or SIGINT. Raises TelemetryError without a message bus or with another release's schema."""
    if bus.url(conf) is None:
        raise TelemetryError("No message bus is configured: set [DEFAULT] transport_url")
    stores = Stores(conf)
    stores.check()
    stop = options.stop_signals()
    listener = make_listener(conf, stores)
    listener.start()
    LOG.info("Collecting from %s", ", ".join(conf.collector.topics))
    stop.wait()
    listener.stop()
    listener.wait()
    stores.close()


def main() -> int:
    """Entry point."""
    return options.run(collect)


if __name__ == "__main__":
    sys.exit(main())
