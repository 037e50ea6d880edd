"""The filter `cors` of the paste file. Section [cors] of telemetry.conf configures it."""

from collections.abc import Callable
from typing import Any

from oslo_config import cfg
from oslo_middleware import cors


def filter_factory(global_conf: dict[str, str] | None, **local_conf: str) -> Callable[[Any], Any]:
    """Return the filter for PasteDeploy. Without [cors] allowed_origin it changes nothing."""

    def make(application: Any) -> Any:
        return cors.CORS(application, cfg.CONF)

    return make
