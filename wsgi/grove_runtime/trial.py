"""Load a release as its daemon processes will, and ask it for its health path, without a server.

Run by the virtualenv's Python as the application's account: ``trial.py RELEASE SCRIPT_NAME PATH_INFO``. Exit code 0
says that the answer was 200, 3 that the release is whole but not well (it answered something else, or failed when it
was loaded, as without its database), 1 that it cannot be imported; the reason stands on standard error.
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


def load(release: str) -> Any:
    """Return the release's WSGI callable; whatever its import raises comes through."""
    loader = importlib.machinery.SourceFileLoader("grove_app", os.path.join(release, "app.wsgi"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    if spec is None:
        raise ImportError(f"{release} has no app.wsgi")
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module.application


def ask(application: Any, script_name: str, path_info: str) -> tuple[str, bytes]:
    """Return status line and body of the answer to a GET."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": script_name.rstrip("/"),
        "PATH_INFO": path_info,
        "REMOTE_ADDR": "127.0.0.1",
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
    """Try the release that the command line names."""
    release, script_name, path_info = sys.argv[1:]
    sys.argv[:] = ["mod_wsgi"]
    # The folder of this file is no place to import from: only the entry's own path is.
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    try:
        application = load(release)
    except (ImportError, SyntaxError, NameError, AttributeError):
        traceback.print_exc()
        return 1
    except BaseException:
        traceback.print_exc()
        return 3
    try:
        status, content = ask(application, script_name, path_info)
    except BaseException:
        traceback.print_exc()
        return 3
    if not status.startswith("200 "):
        print(f"{path_info} answered {status}", file=sys.stderr)
        print(content[-1500:].decode(errors="replace"), file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the application started would hold the process back.
    os._exit(code)
