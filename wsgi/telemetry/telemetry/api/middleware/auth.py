"""The filter `authtoken` of the paste file: keystonemiddleware, or with `auth_strategy = noauth` no filter."""

import logging
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

LOG = logging.getLogger(__name__)


def filter_factory(global_conf: dict[str, str] | None, **local_conf: str) -> Callable[[Any], Any]:
    """Return the filter for PasteDeploy.

    PasteDeploy makes the application before it applies the filters, so the configuration is read by then.
    """

    def make(application: Any) -> Any:
        if cfg.CONF.auth_strategy == "noauth":
            LOG.warning(
                "auth_strategy is noauth: the API trusts the headers X-Roles, X-User-Id and X-Project-Id of every "
                "client, and shows everything to a client without them. Listen on a loopback address only."
            )
            return application
        # Imported only if needed: it loads requests, cryptography and more.
        from keystonemiddleware import auth_token

        return auth_token.filter_factory(global_conf or {}, oslo_config_config=cfg.CONF, **local_conf)(application)

    return make
