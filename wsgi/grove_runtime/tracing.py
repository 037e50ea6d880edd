"""Writes the way of one request through an application into its log, with the time that each part has taken.

A request through a door with the header ``X-Grove-Trace: NAME`` is traced; a client's is not. A profiler of the thread
sees every call, and notes those that a reader looks for: WSGI filters and applications, Pecan's hooks, controllers,
SQL statements, requests to other servers, and calls over the message bus. What runs in another thread is not seen.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import CodeType, FrameType
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

VARIABLE = "HTTP_X_GROVE_TRACE"
HARMLESS_NAME = re.compile(r"[A-Za-z0-9]{1,64}")
MOST_SPANS = 2000
"""Parts that are noted; a loop may execute thousands of statements, and each is a line of the log."""
LONGEST_TEXT = 300
"""Characters of a statement or URL."""
STATEMENTS = ("execute", "executemany", "callproc")
"""The methods of a cursor that send a statement, by Python's DB-API (PEP 249)."""
RESPONSES = ("webob.response", "webob.exc", "werkzeug.wrappers.response")
"""Modules of objects that are called as WSGI applications, and are the answers of applications."""
HOOK_METHODS = ("on_route", "before", "after", "on_error")


def _local(*path: str) -> Callable[[dict[str, Any]], Any]:
    """Return a function that reads ``path`` from a frame's variables: a variable, and attributes of it."""

    def read(names: dict[str, Any]) -> Any:
        value = names[path[0]]
        for attribute in path[1:]:
            value = getattr(value, attribute)
        return value

    return read


CONTROLLERS: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
    ("pecan.core", "invoke_controller"): _local("controller"),
    ("nova.api.openstack.wsgi", "dispatch"): _local("method"),
    ("cinder.api.openstack.wsgi", "dispatch"): _local("method"),
    ("glance.common.wsgi", "dispatch"): _local("method"),
    ("neutron.api.v2.resource", "resource"): _local("method"),
    ("flask.app", "dispatch_request"): lambda names: names["self"].view_functions[names["rule"].endpoint],
    ("flask.views", "dispatch_request"): _local("meth"),
    ("flask_restful", "dispatch_request"): _local("meth"),
    ("django.core.handlers.base", "_get_response"): _local("callback"),
    ("falcon.app", "__call__"): _local("responder"),
    ("bottle", "_handle"): _local("route", "callback"),
    ("pyramid.view", "_call_view"): _local("view_callable"),
}
"""By module and function: the variable of the function that calls a controller, when it returns, which is this one."""
SQL: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
    **{
        ("sqlalchemy.engine.default", name): _local("statement")
        for name in ("do_execute", "do_executemany", "do_execute_no_params")
    },
    ("sqlalchemy.engine.default", "do_commit"): lambda names: "COMMIT",
    ("sqlalchemy.engine.default", "do_rollback"): lambda names: "ROLLBACK",
    ("pymysql.cursors", "execute"): _local("query"),
    ("pymysql.cursors", "executemany"): _local("query"),
    ("psycopg.cursor", "execute"): _local("query"),
    ("psycopg.cursor", "executemany"): _local("query"),
}
"""By module and function: the statement. Its parameters are the users' data, and are not shown."""
OTHERS: dict[tuple[str, str], tuple[str, Callable[[dict[str, Any]], Any]]] = {
    ("requests.sessions", "send"): ("http", lambda names: f"{names['request'].method} {_url(names['request'].url)}"),
    ("urllib3.connectionpool", "urlopen"): (
        "http",
        lambda names: f"{names['method']} {names['self'].host}:{names['self'].port}{_url(names['url'])}",
    ),
    ("http.client", "getresponse"): ("http", lambda names: f"{names['self'].host}:{names['self'].port}"),
    ("oslo_messaging.rpc.client", "call"): ("rpc", lambda names: f"call {names['method']}"),
    ("oslo_messaging.rpc.client", "cast"): ("rpc", lambda names: f"cast {names['method']}"),
}
"""By module and function: the kind of a wait for something else, and its text."""
LEAVES = ("sql", "http", "rpc")
"""Kinds that have nothing below them that is worth a line."""


class Span:
    """One part of the request's way. Times are in seconds, ``begin`` since the request began."""

    __slots__ = ("begin", "depth", "inner", "kind", "place", "seconds", "text")

    def __init__(self, kind: str, text: str, place: str, begin: float, depth: int) -> None:
        self.kind, self.text, self.place = kind, text, place
        self.begin, self.depth = begin, depth
        self.seconds = 0.0
        self.inner = 0.0


class Trace:
    """The way of one request. ``title`` names the request."""

    def __init__(self, name: str, title: str) -> None:
        self.name, self.title = name, title
        self.spans: list[Span] = []
        self.status = ""
        self._left_out = 0
        self._known: dict[CodeType, str] = {}
        # Each open part with its frame; a part of a program in C has the callable.
        self._open: list[tuple[Any, Span]] = []
        self._begin = time.perf_counter()
        self._previous: Any = None

    def __enter__(self) -> None:
        self._previous = sys.getprofile()
        sys.setprofile(self._note)

    def __exit__(self, *details: object) -> None:
        sys.setprofile(self._previous)

    def lines(self) -> list[str]:
        """Return the trace as lines of text."""
        total = (time.perf_counter() - self._begin) * 1000
        sums = [
            f"{count} {kind} {sum(seconds) * 1000:.1f} ms"
            for kind in LEAVES
            if (count := len(seconds := [span.seconds for span in self.spans if span.kind == kind]))
        ]
        about = ", ".join([f"{self.status or 'no status'} in {total:.1f} ms", *sums])
        result = [f"trace {self.name} begins: {self.title}: {about}", "  begin ms  total ms    own ms"]
        parents = {id(span) for place, span in enumerate(self.spans) if self._has_inner_application(place)}
        for span in filter(lambda one: one.text, self.spans):
            kind = span.kind if span.kind != "wsgi" else "filter" if id(span) in parents else "application"
            times = f"{span.begin * 1000:10.1f}{span.seconds * 1000:10.1f}{(span.seconds - span.inner) * 1000:10.1f}"
            place = f" ({span.place})" if span.place else ""
            result.append(f"{times}  {'  ' * span.depth}{kind} {span.text}{place}")
        if self._left_out:
            result.append(f"{self._left_out} more parts are left out")
        return [*result, f"trace {self.name} ends"]

    def _has_inner_application(self, place: int) -> bool:
        depth = self.spans[place].depth
        for span in self.spans[place + 1 :]:
            if span.depth <= depth:
                return False
            if span.kind == "wsgi":
                return True
        return False

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        """Get each call and return of the thread. It raises nothing, as the request would get the exception."""
        try:
            if event == "call":
                self._enter(frame)
            elif event == "return":
                if self._open and self._open[-1][0] is frame:
                    self._leave(frame)
            elif event == "c_call":
                if getattr(argument, "__name__", "") in STATEMENTS and hasattr(argument.__self__, "fetchone"):
                    kind = type(argument.__self__)
                    self._push(argument, "sql", f"{kind.__module__}.{kind.__qualname__}.{argument.__name__}", "")
            elif self._open and self._open[-1][0] is argument:
                self._pop()
        except Exception as error:
            sys.setprofile(self._previous)
            self.status = f"{self.status} (the trace ends early: {type(error).__name__}: {error})"

    def _enter(self, frame: FrameType) -> None:
        code = frame.f_code
        kind = self._known.get(code)
        if kind is None:
            kind = self._known[code] = self._kind(frame)
        if not kind:
            return
        key = (str(frame.f_globals.get("__name__")), code.co_name)
        if kind == "sql":
            self._push(frame, kind, _safely(SQL[key], frame), "")
        elif kind in LEAVES:
            self._push(frame, kind, _safely(OTHERS[key][1], frame), "")
        elif kind == "controller":
            self._push(frame, kind, code.co_name, "")
        else:
            name, of = _callable(frame)
            self._push(frame, kind, name, _place(of))

    def _leave(self, frame: FrameType) -> None:
        span = self._open[-1][1]
        if span.kind == "controller":
            # The function that was chosen is known when the choice has been made.
            key = (str(frame.f_globals.get("__name__")), frame.f_code.co_name)
            try:
                chosen = CONTROLLERS[key](frame.f_locals)
            except Exception:
                chosen = None
            # A function of the same name may choose something else than a controller; its line is left out.
            span.text, of = ("", None) if chosen is None else _function(chosen)
            span.place = _place(of)
        self._pop()

    def _kind(self, frame: FrameType) -> str:
        """Return the kind of what a frame runs; empty for what has no line of its own."""
        module, name = str(frame.f_globals.get("__name__")), frame.f_code.co_name
        key = (module, name)
        if key in SQL:
            return "sql"
        if key in OTHERS:
            return OTHERS[key][0]
        if key in CONTROLLERS:
            return "controller"
        if module.startswith("grove_runtime.") or module in RESPONSES:
            return ""
        # Pecan's own methods of a hook are empty.
        if name in HOOK_METHODS and module != "pecan.hooks":
            hooks = sys.modules.get("pecan.hooks")
            if hooks is not None and isinstance(frame.f_locals.get("self"), hooks.PecanHook):
                return "hook"
        return "wsgi" if _is_wsgi(frame) else ""

    def _push(self, owner: Any, kind: str, text: str, place: str) -> None:
        if self._open and self._open[-1][1].kind in LEAVES:
            return
        if len(self.spans) >= MOST_SPANS:
            self._left_out += 1
            return
        span = Span(kind, text, place, time.perf_counter() - self._begin, len(self._open))
        self.spans.append(span)
        self._open.append((owner, span))

    def _pop(self) -> None:
        _, span = self._open.pop()
        span.seconds = time.perf_counter() - self._begin - span.begin
        if self._open:
            self._open[-1][1].inner += span.seconds


class Unblocked(BaseException):
    """Raised by a thread in itself; see Unblocking."""


class Unblocking:
    """Keeps a profiled thread from standing still in Python 3.11; use it around the life of a trace.

    mod_wsgi 6 begins each request with PyThreadState_SetAsyncExc(thread, NULL). The interpreter then looks for an
    exception until a thread has got one, which none has. A thread of Python 3.11 with a profiler looks at the start of
    each function until there is nothing to look for: for ever. A thread that raises an exception in itself ends that.
    See docs/upstream/mod_wsgi-profilers.md.
    """

    PAUSE = 0.001
    """Seconds. A request in another thread of the process may hold the trace up for as long."""
    LONGEST = 3600.0
    """Seconds, for a body that is never closed."""

    def __init__(self) -> None:
        self._end = threading.Event()

    def begin(self) -> None:
        """Start the thread, where the interpreter needs it."""
        if sys.version_info[:2] == (3, 11):
            self._unblock()
            threading.Thread(target=self._work, name="grove-trace", daemon=True).start()

    def end(self) -> None:
        """Let the thread end."""
        self._end.set()

    def _work(self) -> None:
        last = time.monotonic() + self.LONGEST
        while not self._end.wait(self.PAUSE) and time.monotonic() < last:
            self._unblock()

    def _unblock(self) -> None:
        import ctypes

        thread = ctypes.c_ulong(threading.get_ident())
        try:
            known = ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(Unblocked))
            while known:
                # The interpreter raises it between two turns of a loop.
                pass
        except Unblocked:
            pass


class Body:
    """The body of a traced answer. When it is closed, the trace is complete and goes to the log."""

    def __init__(self, body: Iterable[bytes], trace: Trace, log: Any, unblocking: Unblocking) -> None:
        self._body, self._trace, self._log, self._unblocking = body, trace, log, unblocking
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        with self._trace:
            if self._iterator is None:
                self._iterator = iter(self._body)
            return next(self._iterator)

    def close(self) -> None:
        """Close the application's body, and write the trace."""
        try:
            with self._trace:
                close = getattr(self._body, "close", None)
                if close is not None:
                    close()
        finally:
            self._unblocking.end()
            write(self._trace, self._log)


def write(trace: Trace, log: Any) -> None:
    """Write a trace to a log as one entry."""
    log.write("\n".join(trace.lines()) + "\n")
    log.flush()


def run(
    application: WSGIApplication, environ: WSGIEnvironment, start_response: StartResponse, name: str
) -> Iterable[bytes]:
    """Let ``application`` answer a request, and write its trace, called ``name``, to ``wsgi.errors``."""
    if not HARMLESS_NAME.fullmatch(name):
        return application(environ, start_response)
    log = environ["wsgi.errors"]
    title = f"{environ['REQUEST_METHOD']} {environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
    unblocking = Unblocking()
    unblocking.begin()
    trace = Trace(name, title.encode("unicode_escape").decode())

    def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        trace.status = status
        return start_response(status, headers, *exc_info)

    try:
        with trace:
            body = application(environ, start)
    except BaseException as error:
        unblocking.end()
        trace.status = f"{type(error).__name__}"
        write(trace, log)
        raise
    return Body(body, trace, log, unblocking)


def _is_wsgi(frame: FrameType) -> bool:
    """Return whether a frame runs a callable that gets a WSGI environment and start_response."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount]
    # webob.dec.wsgify takes start_response as one of any arguments.
    is_wsgify = code.co_flags & inspect.CO_VARARGS and frame.f_globals.get("__name__") == "webob.dec"
    if not is_wsgify and not 2 <= len(names) <= 5:
        return False
    local = frame.f_locals
    values = [local.get(name) for name in names] + (list(local.get("args", ())) if is_wsgify else [])
    return any(
        isinstance(one, dict) and "wsgi.input" in one and callable(values[place + 1])
        for place, one in enumerate(values[:-1])
    )


def _callable(frame: FrameType) -> tuple[str, Any]:
    """Return the name of what a frame runs, and its function or code."""
    code, local = frame.f_code, frame.f_locals
    owner = local.get("self") if code.co_varnames[:1] == ("self",) else None
    if owner is None:
        qualified = getattr(code, "co_qualname", code.co_name)
        return f"{frame.f_globals.get('__name__')}.{qualified}", code
    if any(base.__module__ == "webob.dec" and base.__name__ == "wsgify" for base in type(owner).__mro__):
        function = getattr(owner, "func", None)
        if function is not None:
            return _function(function)
    return f"{type(owner).__module__}.{type(owner).__qualname__}.{code.co_name}", code


def _function(thing: Any) -> tuple[str, Any]:
    """Return the name of a function or of another callable, and its code, if it has one."""
    # Pyramid puts wrappers around a view.
    thing = getattr(thing, "__original_view__", thing)
    owner = getattr(thing, "__self__", None)
    function = getattr(thing, "__func__", None) or getattr(thing, "func", None) or thing
    for _ in range(50):
        # Below its decorators.
        function = getattr(function, "__wrapped__", function)
    if not hasattr(function, "__qualname__"):
        kind = type(thing)
        return f"{kind.__module__}.{kind.__qualname__}", getattr(kind.__call__, "__code__", None)
    name = str(function.__qualname__)
    module = function.__module__
    if owner is not None and not isinstance(owner, type):
        name, module = f"{type(owner).__qualname__}.{function.__name__}", type(owner).__module__
    return f"{module}.{name}", getattr(function, "__code__", None)


def _place(code: Any) -> str:
    """Return file and line of a code object, the file relative to its folder in Python's path."""
    if code is None:
        return ""
    path = code.co_filename
    parents = [folder for folder in sys.path if folder and path.startswith(folder.rstrip(os.sep) + os.sep)]
    longest = max(parents, key=len, default="")
    return f"{os.path.relpath(path, longest) if longest else path}:{code.co_firstlineno}"


def _safely(read: Callable[[dict[str, Any]], Any], frame: FrameType) -> str:
    """Return what ``read`` says of a frame as one line."""
    try:
        text = read(frame.f_locals)
    except Exception as error:
        text = f"? ({type(error).__name__})"
    if isinstance(text, bytes):
        text = text.decode(errors="backslashreplace")
    line = " ".join(str(text).split()).encode("unicode_escape").decode()
    return line if len(line) <= LONGEST_TEXT else f"{line[:LONGEST_TEXT]} [{len(line) - LONGEST_TEXT} more characters]"


def _url(url: str) -> str:
    """Return a URL without its query and without an account, which may be secrets."""
    return re.sub(r"//[^/@]*@", "//", url.partition("?")[0])
