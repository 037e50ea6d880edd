"""A filter that counts the requests of each client and sends the count in a header of every answer."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Counts:
    """Requests by client address. Above a number of addresses, the one with the oldest request is forgotten."""

    def __init__(self, addresses: int) -> None:
        self._addresses = addresses
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, address: str) -> int:
        """Count a request, and return the number of requests from this address."""
        with self._lock:
            count = self._counts.pop(address, 0) + 1
            self._counts[address] = count
            if len(self._counts) > self._addresses:
                self._counts.popitem(last=False)
            return count


class RequestCount:
    """The filter. It takes REMOTE_ADDR as the client, which is a proxy unless http_proxy_to_wsgi runs before it."""

    def __init__(self, application: WSGIApplication, header: str, addresses: int) -> None:
        self._application = application
        self._header = header
        self._counts = Counts(addresses)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Count the request, and pass it on."""
        count = self._counts.add(environ.get("REMOTE_ADDR", ""))

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
            return start_response(status, [*headers, (self._header, str(count))], exc_info)

        return self._application(environ, start)


def factory(
    global_conf: dict[str, str], header: str = "X-Request-Count", addresses: str = "10000"
) -> Callable[[WSGIApplication], RequestCount]:
    """Return the filter for PasteDeploy. Raises ValueError when ``addresses`` is no positive number."""
    limit = int(addresses)
    if limit < 1:
        raise ValueError(f"addresses is {addresses}; it has to be 1 or more")
    return lambda application: RequestCount(application, header, limit)
