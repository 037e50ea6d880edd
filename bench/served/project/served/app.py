"""Makes the WSGI application from a Pecan configuration."""

from wsgiref.types import WSGIApplication

import pecan
from pecan.configuration import Config


def setup_app(config: Config) -> WSGIApplication:
    """Return the application that `config` describes; called by `pecan.deploy.deploy` and by `pecan serve`."""
    application: WSGIApplication = pecan.make_app(config.app.root)
    return application


def app_factory(global_conf: dict[str, str], *, config: str) -> WSGIApplication:
    """Return the application of the config.py at the path `config`: a `paste.app_factory`.

    Raises RuntimeError if there is no such file.
    """
    application: WSGIApplication = pecan.load_app(config)
    return application
