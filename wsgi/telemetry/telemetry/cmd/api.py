"""telemetry-api: serve the paste file for development. In production, a WSGI server loads the paste file."""

import logging
import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref import simple_server

import paste.deploy
from oslo_config import cfg

from telemetry.cmd import options
from telemetry.errors import TelemetryError

LOG = logging.getLogger(__name__)
SHIPPED = Path(__file__).parent.parent / "etc" / "api_paste.ini"


class Server(ThreadingMixIn, simple_server.WSGIServer):
    """A thread per request."""

    daemon_threads = True
    request_queue_size = 128


class Handler(simple_server.WSGIRequestHandler):
    """Logs each request with the module logging."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        LOG.info("%s %s", self.address_string(), format % args)


def paste_file(conf: cfg.ConfigOpts) -> Path:
    """Return the configured paste file, or by default the file in this package. Raises TelemetryError."""
    name = conf.api_paste_config
    path = name if os.path.isabs(name) else conf.find_file(name)
    if path is None and name == "api_paste.ini":
        return SHIPPED
    if path is None or not Path(path).is_file():
        raise TelemetryError(f"The paste file {name} does not exist")
    return Path(path).absolute()


def load(conf: cfg.ConfigOpts) -> Any:
    """Load the paste file. Its application reads the configuration files of this process."""
    os.environ["TELEMETRY_CONFIG_FILES"] = ";".join(conf.config_file or [])
    if not conf.config_file:
        del os.environ["TELEMETRY_CONFIG_FILES"]
    return paste.deploy.loadapp(f"config:{paste_file(conf)}")


def serve(conf: cfg.ConfigOpts) -> None:
    """Serve until interrupted."""
    application = load(conf)
    host, port = conf.api.host, conf.api.port
    with simple_server.make_server(host, port, application, Server, Handler) as server:
        LOG.info("Listening on http://%s:%s", host, port)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            LOG.info("Stopped")


def main() -> int:
    """Entry point."""
    return options.run(serve)


if __name__ == "__main__":
    sys.exit(main())
