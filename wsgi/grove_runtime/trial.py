"""Load a release as its daemon processes will, and ask it for its health path, without a server.

Usage: trial.py RELEASE <REQUEST

REQUEST is JSON. Its ``environ`` holds the variables that Apache would set for the request and that are texts,
``multithread`` is that of WSGI, and ``statuses`` are the statuses that the answer may have. ``locale`` is that of the
daemon processes. After ``alarm`` seconds, where it is given, the program prints where it is, and goes on.

The launcher runs this with the virtualenv's Python, as the application's account. The exit code is
* ``HEALTHY`` when the answer had one of the statuses,
* ``BROKEN`` when the release cannot be imported,
* ``UNHEALTHY`` when it can be imported but is not healthy: it answered something else, or failed while it was loaded,
  as it may without its database.
The reason stands on standard error. With any other exit code, the application has ended the process itself.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import locale
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any
from wsgiref.util import FileWrapper

HEALTHY, BROKEN, UNHEALTHY = 91, 92, 93
"""Exit codes with which no application ends the process: the usual ones are 0 to 3, 64 to 78, and 120 and up."""
SHOWN_BYTES = 1500
"""Bytes from the end of a bad answer's body that are printed: a message and a short page fit."""

# Frames that tell nothing about an application: those of imports, and of this file.
NOT_SHOWN = ("<frozen importlib", os.path.join("importlib", "__init__.py"), os.path.abspath(__file__))


def print_error(error: BaseException) -> None:
    """Print a traceback, and those of its causes, without what only makes it longer: a message has few lines."""
    shown = traceback.TracebackException.from_exception(error)
    chain: list[traceback.TracebackException | None] = [shown]
    for one in chain:
        if one is not None:
            _shorten(one.stack)
            chain += [one.__cause__, one.__context__]
    print("".join(shown.format()), file=sys.stderr, end="")


def _shorten(stack: traceback.StackSummary) -> None:
    stack[:] = [frame for frame in stack if not any(part in frame.filename for part in NOT_SHOWN)]
    for frame in stack:
        # Without columns there are no lines that only mark a part of the line above.
        if hasattr(frame, "colno"):
            frame.colno = frame.end_colno = None


def print_place(_number: int, frame: FrameType | None) -> None:
    """Print where the program is: the handler of SIGALRM."""
    stack = traceback.extract_stack(frame)
    _shorten(stack)
    print("It was here:\n" + "".join(stack.format()), file=sys.stderr, end="", flush=True)


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


def environ_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the WSGI environment of a request, as mod_wsgi makes it."""
    return {
        **request["environ"],
        "REMOTE_PORT": "0",
        "mod_wsgi.server_pid": str(os.getppid()),
        "mod_wsgi.request_id": "trial",
        "UNIQUE_ID": "trial",
        "HTTP_X_REQUEST_ID": "trial",
        "wsgi.version": (1, 0),
        "wsgi.multithread": request["multithread"],
        # mod_wsgi says so whenever processes= is given, be it 1.
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input": io.BytesIO(),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.file_wrapper": FileWrapper,
    }


def ask(application: Any, environ: dict[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
    """Return status line, headers and body of the answer. Raises whatever the application raises."""
    starts: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        starts.append((status, headers))
        return lambda data: None

    body = application(environ, start_response)
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return (*starts[-1], content)


def main() -> int:
    """Try the release that the command line names; return the exit code."""
    release = sys.argv[1]
    request = json.load(sys.stdin)
    # The standard input of a daemon process.
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    sys.argv[:] = ["mod_wsgi"]
    # As mod_wsgi does, which goes on where the host does not have the locale.
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, request["locale"])
    # Python puts this file's folder into the path, where a daemon process does not have it.
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    if "alarm" in request:
        signal.signal(signal.SIGALRM, print_place)
        signal.setitimer(signal.ITIMER_REAL, request["alarm"])
    try:
        application = load(release)
    except (ImportError, SyntaxError, NameError, AttributeError) as error:
        print_error(error)
        return BROKEN
    except BaseException as error:
        print_error(error)
        return UNHEALTHY
    try:
        status, headers, content = ask(application, environ_of(request))
    except BaseException as error:
        print_error(error)
        return UNHEALTHY
    if status[:3] not in map(str, request["statuses"]):
        target = "".join(f" with a redirect to {value}" for name, value in headers if name.lower() == "location")
        print(f"{request['environ']['PATH_INFO']} answered {status}{target}", file=sys.stderr)
        print(content[-SHOWN_BYTES:].decode(errors="replace"), file=sys.stderr)
        return UNHEALTHY
    return HEALTHY


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the application started would keep the process alive.
    os._exit(exit_code)
