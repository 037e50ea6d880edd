"""The `healthcheck` filter of the paste file: one path answers for the process, without authentication."""

from collections.abc import Callable, Iterable
from typing import Any

from oslo_middleware import healthcheck

from telemetry.api.middleware.parsable_error import Application, StartResponse


class HealthFilter:
    """Gives `path` to the health check, and everything else to the application."""

    def __init__(self, application: Application, check: Application, path: str) -> None:
        self._application = application
        self._check = check
        self._path = path

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        chosen = self._check if environ.get("PATH_INFO") == self._path else self._application
        return chosen(environ, start_response)


def filter_factory(
    global_conf: dict[str, str] | None, path: str = "/healthcheck", **local_conf: str
) -> Callable[[Application], HealthFilter]:
    """Return paste's filter; options other than `path` are those of oslo.middleware's health check."""
    check: Any = healthcheck.Healthcheck.app_factory(global_conf, **local_conf)
    return lambda application: HealthFilter(application, check, path)
