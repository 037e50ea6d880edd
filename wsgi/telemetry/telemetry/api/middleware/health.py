"""The filter `healthcheck` of the paste file: one path tells, without authentication, that the process answers."""

from collections.abc import Callable, Iterable
from typing import Any

from oslo_middleware import healthcheck

from telemetry.api.middleware.parsable_error import Application, StartResponse


class HealthFilter:
    """Passes requests for `path` to the health check, and all others to the application."""

    def __init__(self, application: Application, check: Application, path: str) -> None:
        self._application = application
        self._check = check
        self._path = path

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        target = self._check if environ.get("PATH_INFO") == self._path else self._application
        return target(environ, start_response)


def filter_factory(
    global_conf: dict[str, str] | None, path: str = "/healthcheck", **local_conf: str
) -> Callable[[Application], HealthFilter]:
    """Return the filter for PasteDeploy. oslo.middleware's health check takes all options but `path`."""
    check: Any = healthcheck.Healthcheck.app_factory(global_conf, **local_conf)
    return lambda application: HealthFilter(application, check, path)
