"""Whether there is a message bus, and the configuration that oslo.messaging reads."""

from oslo_config import cfg


def url(conf: cfg.ConfigOpts) -> str | None:
    """Return [DEFAULT] transport_url, or None where no bus is configured."""
    return str(conf.transport_url) if conf.transport_url else None


def configuration(conf: cfg.ConfigOpts) -> cfg.ConfigOpts:
    """Return a configuration of oslo.messaging's own, read from the same files.

    Its options are known only once it is loaded, which a process without a bus never does; and it insists on
    defining transport_url itself.
    """
    found = cfg.ConfigOpts()
    found(args=[], project="telemetry", default_config_files=list(conf.config_file or []))
    return found
