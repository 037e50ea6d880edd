"""The `authtoken` filter of the paste file: keystonemiddleware, or nothing, as `auth_strategy` says."""

import logging
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

LOG = logging.getLogger(__name__)


def filter_factory(global_conf: dict[str, str] | None, **local_conf: str) -> Callable[[Any], Any]:
    """Return paste's filter. The application has read the configuration by the time the filter is applied."""

    def make(application: Any) -> Any:
        if cfg.CONF.auth_strategy == "noauth":
            LOG.warning(
                "auth_strategy is noauth: whoever reaches this port is believed to be who the X-Roles, X-User-Id and "
                "X-Project-Id headers say, and sees everything without them. Keep it on a loopback address."
            )
            return application
        # Loaded only where it is used: it brings requests, cryptography and more into the process.
        from keystonemiddleware import auth_token

        return auth_token.filter_factory(global_conf or {}, oslo_config_config=cfg.CONF, **local_conf)(application)

    return make
