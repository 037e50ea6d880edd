"""The URL of the message bus, and the configuration for oslo.messaging."""

from oslo_config import cfg


def url(conf: cfg.ConfigOpts) -> str | None:
    """Return [DEFAULT] transport_url, or None if it is not set."""
    return str(conf.transport_url) if conf.transport_url else None


def configuration(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Return a separate configuration for oslo.messaging, read from the same files.

    oslo.messaging registers its own options when it is imported, among them transport_url, which this program defines
    too. A process without a message bus does not import oslo.messaging.
    """
    messaging_conf = cfg.ConfigOpts()
    messaging_conf(args=[], project="telemetry", default_config_files=list(conf.config_file or []))
    return messaging_conf
