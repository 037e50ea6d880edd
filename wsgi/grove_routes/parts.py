"""The data of this package: places in code, nodes of the map, requests, and answers."""

from __future__ import annotations

import functools
import inspect
import io
import json
import sys
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote


@dataclass(frozen=True)
class Code:
    """A place in code. ``line`` is the first line of the function, or of its first decorator; 0 where unknown."""

    name: str
    file: str = ""
    line: int = 0


@dataclass
class Node:
    """One part of an application: a filter, a mount, a router, a route, a controller, or a hook.

    ``path`` is what the part adds to the path of its parent. ``dynamic`` is the reason why only a request can tell
    what comes below the part.
    """

    kind: str
    path: str = ""
    name: str = ""
    methods: list[str] = field(default_factory=list)
    code: Code | None = None
    arguments: list[str] = field(default_factory=list)
    content_types: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dynamic: str = ""
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """Something that a request passes through."""

    kind: str
    text: str
    code: Code | None = None


@dataclass(frozen=True)
class Answer:
    """The end of a request's way.

    ``kind`` is ``function`` where a function answers, ``refused`` where the framework itself answers, such as with 404,
    and ``dynamic`` where only the running application can tell.
    """

    kind: str
    text: str = ""
    code: Code | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    status: int = 0


@dataclass(frozen=True)
class Request:
    """A request: ``path`` is the decoded path below ``script_name``."""

    method: str
    path: str
    query: str = ""
    body: str = ""
    script_name: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    def below(self, prefix: str) -> Request:
        """Return the request as an application sees it that is mounted at ``prefix``."""
        return Request(
            self.method, self.path[len(prefix) :], self.query, self.body, self.script_name + prefix, self.headers
        )

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the query; of a repeated one the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def environ(self) -> dict[str, Any]:
        """Return the WSGI environment of the request."""
        environ = {
            "REQUEST_METHOD": self.method,
            # WSGI decodes the bytes of paths as ISO 8859-1.
            "SCRIPT_NAME": self.script_name.encode().decode("latin-1"),
            "PATH_INFO": self.path.encode().decode("latin-1"),
            "QUERY_STRING": self.query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "HTTP_HOST": "localhost",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(self.body.encode()),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if self.body:
            environ.update(CONTENT_TYPE="application/json", CONTENT_LENGTH=str(len(self.body.encode())))
        for name, value in self.headers:
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ


def parse_request(line: str, headers: list[str]) -> Request:
    """Return the request that ``METHOD URL [JSON]`` describes. Raises ValueError with what would be right.

    This package is a part of a release. It runs in the application's virtualenv, under the application's Python, with
    no other code of Grove, and an older release keeps an older copy. ``./grove trace`` therefore has a reader of its
    own (``switching/traced.py``). ``tests/unit/test_traced.py`` checks that both accept and refuse the same texts.
    """
    method, _, rest = line.strip().partition(" ")
    url, _, body = rest.strip().partition(" ")
    right = "write METHOD URL, such as 'GET /v2/meters?limit=1', and after a space the JSON body if there is one"
    if not (method.isascii() and method.isalpha() and method.isupper()):
        raise ValueError(f"explain: found the method {method!r}, which is no word of capitals; {right}")
    if not url.startswith("/") or not url.isascii() or not url.isprintable():
        raise ValueError(f"explain: found the URL {url!r}, which is no path from its first / on, in ASCII; {right}")
    path, _, query = url.partition("#")[0].partition("?")
    body = body.strip()
    if body:
        try:
            json.loads(body)
        except ValueError as error:
            raise ValueError(f"explain: found the body {body!r}, which is not JSON ({error}); {right}") from None
    pairs = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"header: found {header!r}; write NAME: VALUE, such as 'X-Version: 2'")
        pairs.append((name.strip(), value.strip()))
    return Request(method, unquote(path), query, body, headers=tuple(pairs))


def is_wsgify(thing: Any) -> bool:
    """Return whether ``thing`` is a function that ``webob.dec.wsgify`` made a WSGI application."""
    return any(base.__module__ == "webob.dec" and base.__name__ == "wsgify" for base in type(thing).__mro__)


def function_of(thing: Any) -> Any:
    """Return the Python function, or the class, that runs when ``thing`` is called, below its decorators."""
    for _ in range(50):
        if isinstance(thing, functools.partial):
            thing = thing.func
        elif is_wsgify(thing):
            if thing.func is None:
                return type(thing)
            thing = thing.func
        elif inspect.ismethod(thing):
            thing = thing.__func__
        elif hasattr(thing, "__wrapped__") and callable(thing.__wrapped__) and not isinstance(thing, type):
            thing = thing.__wrapped__
        elif inspect.isfunction(thing) or inspect.isbuiltin(thing) or isinstance(thing, type):
            return thing
        else:
            call = inspect.getattr_static(type(thing), "__call__", None)
            if call is None:
                return type(thing)
            thing = call
    return thing


def code_of(thing: Any) -> Code:
    """Return the place of the function that runs when ``thing`` is called."""
    function = function_of(thing)
    if isinstance(function, type):
        start = inspect.getattr_static(function, "__init__", None)
        compiled = getattr(start, "__code__", None)
    else:
        compiled = getattr(function, "__code__", None)
    qualified = getattr(function, "__qualname__", type(function).__qualname__)
    module = getattr(function, "__module__", None) or ""
    owner = thing.__self__ if inspect.ismethod(thing) else thing
    kind = owner if isinstance(owner, type) else type(owner)
    parent, _, last = qualified.rpartition(".")
    inherited = any(base.__qualname__ == parent and base.__module__ == module for base in kind.__mro__[1:])
    if inherited and inspect.isfunction(function):
        # The object's own class says more than the class that it inherits the method from.
        module, qualified = kind.__module__, f"{kind.__qualname__}.{last}"
    name = f"{module}.{qualified}" if module else qualified
    if compiled is None:
        return Code(name, getattr(sys.modules.get(module), "__file__", "") or "")
    return Code(name, compiled.co_filename, compiled.co_firstlineno)


def arguments_of(function: Any, skipped: int = 0) -> list[str]:
    """Return the arguments of a function as they are written, without ``self`` and the ``skipped`` ones after it."""
    try:
        parameters = list(inspect.signature(function_of(function)).parameters.values())
    except (TypeError, ValueError):
        return []
    if parameters and parameters[0].name in ("self", "cls"):
        parameters = parameters[1:]
    return [str(item.replace(annotation=inspect.Parameter.empty)) for item in parameters[skipped:]]
