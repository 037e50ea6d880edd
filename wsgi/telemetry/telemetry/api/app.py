"""Builds the WSGI application: the paste factory, the version selector, and the Pecan application of v2."""

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
    """Return the application for PasteDeploy.

    The first of these names the configuration file: `oslo_config_file` in the paste section, the environment variable
    TELEMETRY_CONFIG_FILES, telemetry.conf in the folder of the paste file, the search path of oslo.config. Raises
    SchemaMismatchError if the database has the schema of another release.
    """
    default = Path((global_conf or {}).get("here", "")) / "telemetry.conf"
    files: list[str] | None = None
    if "oslo_config_file" in local_conf:
        files = local_conf["oslo_config_file"].split(";")
    elif "TELEMETRY_CONFIG_FILES" not in os.environ and default.is_file():
        files = [str(default)]
    return VersionSelector(make_v2(config.load(files=files)))


class VersionSelector:
    """Answers /v1, which was removed, with a plain 404, and passes every other request to v2."""

    def __init__(self, v2: Application) -> None:
        self._v2 = v2

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/v1" or path.startswith("/v1/"):
            start_response("404 Not Found", [("Content-Length", "0")])
            return [b""]
        return self._v2(environ, start_response)


def make_v2(conf: cfg.ConfigOpts, stores: Stores | None = None) -> Application:
    """Return the v2 application.

    If a database does not answer, the application starts all the same, and answers 503 until the database is back.
    Raises SchemaMismatchError.
    """
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
        # Around Pecan and inside the paste pipeline: it rewrites this application's errors, not those of the filters.
        wrap_app=ParsableErrorMiddleware,
    )
    return application
