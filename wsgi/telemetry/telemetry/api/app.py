"""Makes the application: paste's factory, the version selector, and the Pecan application of v2 behind it."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pecan
from oslo_config import cfg

from telemetry import config
from telemetry.api.controllers.root import RootController
from telemetry.api.hooks import ConfigHook, NotifierHook, StorageHook, TranslationHook
from telemetry.api.http_errors import ErrorHook
from telemetry.api.middleware.parsable_error import Application, ParsableErrorMiddleware, StartResponse
from telemetry.storage.stores import Stores


def app_factory(global_conf: dict[str, str] | None, **local_conf: str) -> Application:
    """Return paste's application.

    The configuration file is `oslo_config_file` of the paste section, else TELEMETRY_CONFIG_FILES, else telemetry.conf
    beside the paste file, else where oslo.config looks. Raises SchemaMismatchError for a database of another release.
    """
    beside = Path((global_conf or {}).get("here", "")) / "telemetry.conf"
    files: list[str] | None = None
    if "oslo_config_file" in local_conf:
        files = local_conf["oslo_config_file"].split(";")
    elif "TELEMETRY_CONFIG_FILES" not in os.environ and beside.is_file():
        files = [str(beside)]
    return VersionSelector(make_v2(config.load(files=files)))


class VersionSelector:
    """v1 is gone, with a plain 404; everything else is v2."""

    def __init__(self, v2: Application) -> None:
        self._v2 = v2

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/v1" or path.startswith("/v1/"):
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        return self._v2(environ, start_response)


def make_v2(conf: cfg.ConfigOpts, stores: Stores | None = None) -> Application:
    """Return the v2 application. A database that is away is only logged: requests answer 503 until it is back."""
    stores = stores or Stores(conf)
    stores.check()
    application: Application = pecan.make_app(
        RootController(),
        debug=False,
        force_canonical=False,
        guess_content_type_from_ext=False,
        hooks=lambda: [
            ConfigHook(conf), StorageHook(stores), NotifierHook(conf), TranslationHook(), ErrorHook(conf)
        ],
        wrap_app=ParsableErrorMiddleware,
    )
    return application
