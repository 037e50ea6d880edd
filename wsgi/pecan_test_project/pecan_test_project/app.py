"""Makes the WSGI application from a Pecan configuration."""

from urllib.parse import quote
from wsgiref.types import WSGIApplication

import pecan
from pecan.configuration import Config

from . import PUBLIC_FOLDER, TEMPLATE_FOLDER
from .hooks import ErrorPageHook, RequestLogHook
from .static import PublicFiles


def setup_app(config: Config) -> WSGIApplication:
    """Return the application that `config` describes; called by `pecan.deploy.deploy` and by `pecan serve`."""
    settings = dict(config.app)
    # Pecan itself serves public files only in debug mode, and from the root.
    public_folder = settings.pop("static_root", PUBLIC_FOLDER)
    application: WSGIApplication = pecan.make_app(
        settings.pop("root"),
        logging=getattr(config, "logging", {}),
        hooks=[ErrorPageHook(), RequestLogHook()],
        extra_template_vars={"url": url},
        wrap_app=lambda app: PublicFiles(app, public_folder),
        **({"template_path": TEMPLATE_FOLDER} | settings),
    )
    return application


def app_factory(global_conf: dict[str, str], *, config: str) -> WSGIApplication:
    """Return the application of the config.py at the path `config`: a `paste.app_factory`.

    Raises RuntimeError if there is no such file.
    """
    application: WSGIApplication = pecan.load_app(config)
    return application


def url(path: str) -> str:
    """Return the URL path of the project's `path` (`/catalog`), below the prefix at which the project is mounted."""
    return quote(pecan.request.script_name) + path
