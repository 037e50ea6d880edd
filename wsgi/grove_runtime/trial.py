"""Load a release as its daemon processes will, and ask it for its health path, without a server.

Usage: trial.py RELEASE SCRIPT_NAME PATH_INFO [HOST]

HOST is the Host header of the request.

The launcher runs this with the virtualenv's Python, as the application's account. The exit code is
* 0 when the answer was 200,
* 1 when the release cannot be imported,
* 3 when it can be imported but is not healthy: it answered something else, or failed while it was loaded, as it may
  without its database.
The reason stands on standard error.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults

HEALTHY, BROKEN, UNHEALTHY = 0, 1, 3
SHOWN_BYTES = 1500
"""Bytes from the end of a bad answer's body that are printed: a message and a short page fit."""


def load(release: str) -> Any:
    """Return the WSGI callable of the release in a folder. Raises whatever its app.wsgi raises."""
    loader = importlib.machinery.SourceFileLoader("grove_app", os.path.join(release, "app.wsgi"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    if spec is None:
        raise ImportError(f"{release} has no app.wsgi")
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module.application


def ask(application: Any, script_name: str, path_info: str, host: str = "") -> tuple[str, bytes]:
    """Return status line and body of the answer to a GET. Raises whatever the application raises."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": script_name.rstrip("/"),
        "PATH_INFO": path_info,
        "REMOTE_ADDR": "127.0.0.1",
        **({"HTTP_HOST": host, "SERVER_NAME": host} if host else {}),
    }
    setup_testing_defaults(environ)
    statuses: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        statuses.append(status)
        return lambda data: None

    body = application(environ, start_response)
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return statuses[-1], content


def main() -> int:
    """Try the release that the command line names; return the exit code."""
    release, *request = sys.argv[1:]
    sys.argv[:] = ["mod_wsgi"]
    # Python puts this file's folder into the path, where a daemon process does not have it.
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    try:
        application = load(release)
    except (ImportError, SyntaxError, NameError, AttributeError):
        traceback.print_exc()
        return BROKEN
    except BaseException:
        traceback.print_exc()
        return UNHEALTHY
    try:
        status, content = ask(application, *request)
    except BaseException:
        traceback.print_exc()
        return UNHEALTHY
    if not status.startswith("200 "):
        print(f"{request[1]} answered {status}", file=sys.stderr)
        print(content[-SHOWN_BYTES:].decode(errors="replace"), file=sys.stderr)
        return UNHEALTHY
    return HEALTHY


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the application started would keep the process alive.
    os._exit(exit_code)
