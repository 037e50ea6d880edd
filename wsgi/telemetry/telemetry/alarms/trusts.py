"""Tokens of keystone for actions `trust+http` and `trust+https`: the service acts as the user who made the trust."""

import threading
from typing import Any

from oslo_config import cfg

from telemetry.alarms.errors import NotDeliveredError, RefusedError

GROUP = "keystone_authtoken"
# What a token of a trust gets from the trust.
OF_TRUST = ("project_id", "project_name", "project_domain_id", "project_domain_name", "domain_id", "domain_name")


class Trusts:
    """Gets tokens with the service's own user, of the section that the API validates tokens with."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = threading.Lock()
        self._loader: Any = None
        self._session: Any = None

    def _load(self) -> None:
        # Imported only if an action needs it.
        from keystoneauth1 import loading

        with self._lock:
            if self._session is not None:
                return
            loading.register_auth_conf_options(self._conf, GROUP)
            loading.register_session_conf_options(self._conf, GROUP)
            kind = self._conf[GROUP].auth_type or "password"
            loader: Any = loading.get_plugin_loader(f"v3{kind}" if kind == "password" else kind)
            self._conf.register_opts(loading.get_auth_plugin_conf_options(loader), group=GROUP)
            self._loader = loader
            self._session = loading.load_session_from_conf_options(self._conf, GROUP)

    def token(self, trust_id: str, timeout: float) -> str:
        """Return a token of a trust. Raises NotDeliveredError."""
        if self._conf.auth_strategy != "keystone":
            raise RefusedError("an action with a trust needs [DEFAULT] auth_strategy = keystone")
        try:
            from keystoneauth1 import exceptions

            self._load()
        except ImportError as error:
            raise RefusedError("an action with a trust needs the package keystoneauth1") from error
        section = self._conf[GROUP]

        def value(option: Any) -> Any:
            if option.dest == "trust_id":
                return trust_id
            return None if option.dest in OF_TRUST else section[option.dest]

        try:
            auth = self._loader.load_from_options_getter(value)
            self._session.timeout = timeout
            token: str | None = self._session.get_token(auth)
        except exceptions.ClientException as error:
            # The text of the exception may have the URL with the trust in it.
            raise NotDeliveredError(f"keystone gives no token for the trust ({type(error).__name__})") from error
        if token is None:
            raise NotDeliveredError("keystone gives no token for the trust")
        return token
