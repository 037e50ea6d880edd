"""The `cors` filter of the paste file, configured by the [cors] section of telemetry.conf."""

from collections.abc import Callable
from typing import Any

from oslo_config import cfg
from oslo_middleware import cors


def filter_factory(global_conf: dict[str, str] | None, **local_conf: str) -> Callable[[Any], Any]:
    """Return paste's filter; without [cors] allowed_origin it lets every request through unchanged."""

    def make(application: Any) -> Any:
        return cors.CORS(application, cfg.CONF)

    return make
