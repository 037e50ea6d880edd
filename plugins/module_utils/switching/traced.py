"""One request to the live slot of an application, and the trace that its process writes of it."""

from __future__ import annotations

import dataclasses
import http
import json
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import parent
from ansible_collections.grove.wsgi.plugins.module_utils.logs import entries, places, reading
from ansible_collections.grove.wsgi.plugins.module_utils.switching import limits
from ansible_collections.grove.wsgi.plugins.module_utils.switching.application import App
from ansible_collections.grove.wsgi.plugins.module_utils.switching.requests import ask

HEADER = "X-Grove-Trace"
READING = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing on the server, by RFC 9110."""
RIGHT = "write METHOD URL, such as 'GET /v2/meters?limit=1', and after a space the JSON body if there is one"


class TraceError(OperatorError):
    """The request cannot be sent or has no trace; the message says why."""


@dataclass(frozen=True)
class Request:
    """A request: ``path`` is the URL from its first slash on, below the path of the application's record."""

    method: str
    path: str
    body: bytes | None
    headers: dict[str, str]

    @property
    def is_reading(self) -> bool:
        """Whether the request changes nothing, by its method."""
        return self.method in READING


def parse(text: str, headers: Iterable[str]) -> Request:
    """Return the request that ``METHOD URL [JSON]`` describes. Raises TraceError with what would be right.

    ``parts.parse_request`` of ``wsgi/grove_routes`` says why a release has a reader of its own for the same text.
    """
    method, _, rest = text.strip().partition(" ")
    path, _, body = rest.strip().partition(" ")
    if not (method.isascii() and method.isalpha() and method.isupper()):
        raise TraceError(f"request: found the method {method!r}, which is no word of capitals; {RIGHT}")
    if not path.startswith("/") or not path.isascii() or not path.isprintable():
        raise TraceError(f"request: found the URL {path!r}, which is no path from its first / on, in ASCII; {RIGHT}")
    body = body.strip()
    if body:
        try:
            json.loads(body)
        except ValueError as error:
            raise TraceError(f"request: found the body {body!r}, which is not JSON ({error}); {RIGHT}") from error
    pairs = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise TraceError("header: found no colon after the name; write NAME: VALUE, such as 'X-Version: 2'")
        pairs[name.strip()] = value.strip()
    return Request(method, path, body.encode() if body else None, pairs)


def path_of(record: dict[str, Any]) -> str:
    """Return the path at which an application is mounted, without a slash at its end.

    In the serving part of a record, the path of the health request begins with it. An older Grove has written no health
    request, and has no doors, either.
    """
    check = record.get("health_check") or {"path": record["health_path"]}
    return str(record["health_path"]).removesuffix(check["path"])


def send(app: App, path: str, request: Request, timeout: float) -> dict[str, Any]:
    """Send the request to the live slot; return ``slot``, ``status``, ``release``, ``lines`` and ``summary``.

    ``path`` is that of ``path_of``. Raises TraceError when there is no answer or no trace.
    """
    colour = app.folder.live()
    if colour is None or history.serving(app.folder) is None:
        raise TraceError(f"no release of {app.folder.name} is live on this host")
    door = app.doors[colour]
    if not door.slot:
        raise TraceError(f"an older Grove has deployed {app.folder.name}; deploy it once")
    name = secrets.token_hex(8)
    door = dataclasses.replace(door, headers={**door.headers, **request.headers, HEADER: name})
    began = time.time()
    answer = ask(door, path + request.path, timeout, request.method, request.body)
    asked = f"{request.method} {request.path} was answered {answer.status}"
    if not answer.status:
        stopped = parent.problem(app.apache.pid_file, app.apache.program)
        raise TraceError(f"{request.method} {request.path} {answer}" + (f": {stopped}" if stopped else ""))
    # Where the application raises, Apache answers 500, and the answer names no release.
    if not answer.release and answer.status != http.HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TraceError(f"{asked} by Apache and did not reach the application")
    result = {
        "slot": colour,
        "status": answer.status,
        "release": answer.release or app.folder.release_of(colour),
    }
    end = time.monotonic() + limits.TRACE_SECONDS
    while not (lines := find(own_lines(app, began - 1), name)):
        if time.monotonic() > end:
            if not answer.release:
                raise TraceError(f"{asked} by Apache, and no trace of it is there: ./grove logs shows why")
            raise TraceError(
                f"{asked} by release {answer.release}, and"
                f" {places.places(app.folder, app.apache.program).output} has no trace of it; if an older Grove has"
                " built the release, its next one can be traced"
            )
        time.sleep(limits.TRACE_PAUSE)
    return {**result, "lines": lines}


def own_lines(app: App, start: float) -> Iterator[str]:
    """Yield the texts of the application's own log in the files that were written after a moment."""
    output = places.places(app.folder, app.apache.program).output
    problems: list[str] = []
    for entry in entries.own_entries(reading.lines(output, start, problems, app.account)):
        yield entry.text
    if problems:
        raise TraceError("; ".join(problems))


def find(lines: Iterable[str], name: str) -> list[str]:
    """Return the lines of the trace that is called ``name``, without the marks; empty if it is not there."""
    found: list[str] = []
    beginning = f"trace {name} begins: "
    for line in lines:
        if line.startswith(beginning):
            found = [line[len(beginning) :]]
        elif line == f"trace {name} ends":
            return found
        elif found:
            found.append(line)
    return []
