"""The WSGI callable ``application``. It names its release in four places, and has faults that its configuration sets.

``LOAD_APP_CONFIG`` names the configuration, a TOML file with ``release`` and a table ``faults``:

* ``daemon_only``: whether only Apache's daemon processes have the faults (default: false);
* ``import_error``: raise when imported; ``import_seconds``: sleep before;
* ``health_status``: the status that /health answers with (default: 200);
* ``hang``, ``eat``: whether the application has the path of that name.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from . import RELEASE

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

HANG_SECONDS = 3600.0
STREAM_PAUSE = 0.25
PIECE = bytes(range(256)) * 256
eaten: list[bytes] = []


def configuration() -> dict[str, Any]:
    """Read the configuration file as it is now."""
    with open(os.environ["LOAD_APP_CONFIG"], "rb") as stream:
        return tomllib.load(stream)


def import_late() -> str:
    """Import the late module anew, as a process does at its first use; return the release that the module names."""
    spec = importlib.util.find_spec("late_module")
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError("late_module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.RELEASE)


def places() -> dict[str, str]:
    """Read and return the release that the code, the virtualenv, the configuration and the late module name."""
    return {
        "code": RELEASE,
        "virtualenv": importlib.metadata.version("release-marker"),
        "configuration": str(configuration()["release"]),
        "late": import_late(),
    }


def in_daemon() -> bool:
    """Return whether this is a daemon process of mod_wsgi."""
    try:
        import mod_wsgi  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return False
    return bool(getattr(mod_wsgi, "process_group", ""))


def active_faults() -> dict[str, Any]:
    """Return the faults that are switched on for this process."""
    table: dict[str, Any] = configuration().get("faults", {})
    return {} if table.get("daemon_only") and not in_daemon() else table


faults = active_faults()
time.sleep(faults.get("import_seconds", 0))
if faults.get("import_error"):
    raise RuntimeError("the configuration asks for an error at import")


def answer(path: str, query: dict[str, list[str]]) -> tuple[int, dict[str, object]]:
    """Return status and content of the answer to GET ``path``."""

    def number(name: str, default: float) -> float:
        return float(query.get(name, [str(default)])[0])

    status = 200
    match path:
        case "/" | "/stream":
            pass
        case "/slow":
            time.sleep(number("seconds", 1))
        case "/health":
            status = int(faults.get("health_status", 200))
        case "/hang" if faults.get("hang"):
            time.sleep(number("seconds", HANG_SECONDS))
        case "/eat" if faults.get("eat"):
            eaten.append(b"x" * (int(number("mb", 1)) << 20))
        case _:
            return 404, {"error": f"there is no {path}"}
    return status, {"release": places(), "process": os.getpid(), "thread": threading.get_ident()}


def stream(seconds: float, last: bytes) -> Iterator[bytes]:
    """Answer with a piece of white space every quarter of a second, and with ``last`` when ``seconds`` are over."""
    end = time.monotonic() + seconds
    while (remaining := end - time.monotonic()) > 0:
        yield b" " * 1024
        time.sleep(min(STREAM_PAUSE, remaining))
    yield last


def large(query: dict[str, list[str]], start_response: StartResponse) -> Iterable[bytes]:
    """Answer with so many pieces of 64 KiB, one after the other."""
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Cache-Control", "no-store")])
    return (PIECE for _ in range(int(query["pieces"][0])))


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer with JSON. The answer to a POST has the length of the request's body, which is read first.

    GET /large answers with many bytes. GET /stream answers with pieces for so many ``seconds``.
    """
    path, query = environ.get("PATH_INFO") or "/", parse_qs(environ.get("QUERY_STRING", ""))
    received = None
    if environ["REQUEST_METHOD"] == "POST":
        length = environ.get("CONTENT_LENGTH")
        received = len(environ["wsgi.input"].read(int(length) if length else -1))
    if path == "/large":
        return large(query, start_response)
    try:
        status, content = answer(path, query)
    except ValueError as error:
        status, content = 400, {"error": str(error)}
    if received is not None:
        content["received"] = received
    body = json.dumps(content).encode()
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    if path == "/stream":
        start_response("200 OK", headers)
        return stream(float(query["seconds"][0]), body)
    start_response(f"{status} {HTTPStatus(status).phrase}", [*headers, ("Content-Length", str(len(body)))])
    return [body]
