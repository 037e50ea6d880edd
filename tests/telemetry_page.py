"""The Telemetry API and its page on one port, as Apache serves them, for tests of the page in a browser.

``python tests/telemetry_page.py PORT CONFIGURATION`` serves until it is ended. Apache itself serves the page in the
scenario ``telemetry-api``.
"""

from __future__ import annotations

import mimetypes
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref import simple_server

import yaml
from oslo_config import cfg
from telemetry import config
from telemetry.cmd import api

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "wsgi" / "telemetry" / "telemetry" / "ui"


def headers() -> dict[str, str]:
    """Return the headers that the record of the service adds to answers."""
    variables = yaml.safe_load((REPOSITORY / "roles" / "telemetry" / "vars" / "main.yml").read_text())
    named: dict[str, str] = variables["__telemetry_ui_headers"]
    return named


def with_page(application: Any) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Return the application with the files of the page below /ui."""
    added = list(headers().items())

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/ui/"):
            file = PAGE / (path.removeprefix("/ui/") or "index.html")
            if not file.is_file():
                start_response("404 Not Found", added)
                return []
            kind = mimetypes.guess_type(file.name)[0] or "text/plain"
            start_response("200 OK", [("Content-Type", kind), ("X-Content-Type-Options", "nosniff"), *added])
            return [file.read_bytes()]
        return application(  # type: ignore[no-any-return]
            environ, lambda status, own, info=None: start_response(status, [*own, *added], info)
        )

    return serve


def main() -> None:
    """Serve on a port of the loopback address, with a configuration file."""
    port, file = sys.argv[1:]
    conf = cfg.ConfigOpts()
    config.load(conf=conf, files=[file], logging=False)
    application = with_page(api.load(conf))
    with simple_server.make_server("127.0.0.1", int(port), application, api.Server, api.Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
