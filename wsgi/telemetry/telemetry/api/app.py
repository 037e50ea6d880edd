"""Builds the WSGI application: the paste factory, the version selector, and the Pecan application of v2."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pecan
import webob
import webob.exc
from oslo_config import cfg

from telemetry import config
from telemetry.api.controllers.root import RootController
from telemetry.api.hooks import ConfigHook, NotifierHook, StorageHook, TranslationHook
from telemetry.api.http_errors import ErrorHook
from telemetry.api.middleware.parsable_error import Application, ParsableErrorMiddleware, StartResponse
from telemetry.api.middleware.requests import RequestMiddleware
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)


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


def _removed(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    refusal: webob.Response = webob.exc.HTTPNotFound(detail="Version 1 of the API was removed: use /v2")
    return list(refusal(environ, start_response))


# It is no attribute of the selector: "./grove routes" follows the one application that a filter holds.
_V1 = ParsableErrorMiddleware(_removed)


class VersionSelector:
    """Answers /v1, which was removed, with a 404, and passes every other request to v2."""

    def __init__(self, v2: Application) -> None:
        self._v2 = v2

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/v1" or path.startswith("/v1/"):
            return _V1(environ, start_response)
        return self._v2(environ, start_response)


class Request(pecan.Request):  # type: ignore[misc]
    """A request whose URL or body may not be UTF-8. It is answered 400 then; Pecan's class would log a traceback."""

    def __getattribute__(self, name: str) -> Any:
        try:
            return webob.Request.__getattribute__(self, name)
        except UnicodeDecodeError as error:
            LOG.info("Unreadable request: %s", error)
            raise webob.exc.HTTPBadRequest(detail="The request is not UTF-8") from error


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
        request_cls=Request,
        force_canonical=False,
        guess_content_type_from_ext=False,
        hooks=lambda: [ConfigHook(conf), StorageHook(stores), NotifierHook(conf), TranslationHook(), ErrorHook(conf)],
        # Around Pecan and inside the paste pipeline: they see this application's requests and errors, not those of the
        # filters.
        wrap_app=lambda application: ParsableErrorMiddleware(RequestMiddleware(application)),
    )
    return application
