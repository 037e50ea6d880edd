"""Requests to a door or to the front of an application."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import credentials
from ansible_collections.grove.wsgi.plugins.module_utils.switching import limits

SLOT_HEADER = "X-Grove-Slot"
"""Names the slot that a request is for. Apache obeys it in requests that present the credential of the doors."""
RELEASE_HEADER = "X-Grove-Release"
PROCESS_HEADER = "X-Grove-Process"


@dataclass(frozen=True)
class Place:
    """Where to send a request, and what it says: address and port, the Host header, and whether TLS is spoken.

    ``headers`` are further headers. ``slot`` is the slot that a door leads to. ``credential`` is what a door asks for;
    with it, headers count that clients may not send. Only a server of root gets to see it.
    """

    address: str
    port: int
    host: str
    tls: bool = False
    credential: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    slot: str = ""

    @property
    def server_name(self) -> str:
        """The host name of the Host header."""
        return re.sub(r":[0-9]+$", "", self.host).strip("[]")


@dataclass(frozen=True)
class Answer:
    """Status (0 when there was no answer), the stamp of release and process, and the error where there was none.

    ``location`` is where a redirect leads to. ``late`` says that the time was up before an answer came.
    """

    status: int
    release: str = ""
    process: int = 0
    error: str = ""
    location: str = ""
    late: bool = False

    def __str__(self) -> str:
        if not self.status:
            return f"gave no answer ({self.error})"
        return f"answered {self.status}" + (f" with a redirect to {self.location}" if self.location else "")


def ask(
    place: Place,
    path: str,
    timeout: float = limits.REQUEST_SECONDS,
    method: str = "GET",
    body: bytes | None = None,
) -> Answer:
    """Send one request on a connection of its own, and never raise. A ``body`` is JSON."""
    connection = http.client.HTTPConnection(place.address, place.port, timeout=timeout)
    own = {"Host": place.host, "Connection": "close"}
    headers = {"User-Agent": "grove", **place.headers, **own, **({SLOT_HEADER: place.slot} if place.slot else {})}
    try:
        if place.credential:
            # While Apache does not run, any account may listen on the port and wait for a credential.
            if others := processes.listening_users(place.address, place.port) - {0}:
                error = f"port {place.port} is held by user {min(others)}, not by root's Apache"
                return Answer(0, error=error)
            headers[credentials.HEADER] = place.credential
        if place.tls:
            connection.sock = _tls(place, timeout)
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        response.read()
        process = response.getheader(PROCESS_HEADER, "0")
        return Answer(
            response.status,
            response.getheader(RELEASE_HEADER, ""),
            int(process) if process.isdigit() else 0,
            location=response.getheader("Location", "") if response.status // 100 == 3 else "",
        )
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.errno else ""
        return Answer(0, error=reason or f"{type(error).__name__}: {error}", late=isinstance(error, TimeoutError))
    finally:
        connection.close()


def shown_certificate(place: Place, timeout: float = limits.REQUEST_SECONDS) -> bytes:
    """Return the certificate that the server of a place shows, in the form DER. Raises OSError without one."""
    with _tls(place, timeout) as connection:
        content = connection.getpeercert(binary_form=True)
    if not content:
        raise OSError(0, "the server has no certificate")
    return content


def _tls(place: Place, timeout: float) -> ssl.SSLSocket:
    """Connect with the server name of the place, whatever its address is."""
    context = ssl.create_default_context()
    context.check_hostname = False  # the question is whether this host serves, not whom it claims to be
    context.verify_mode = ssl.CERT_NONE
    plain = socket.create_connection((place.address, place.port), timeout=timeout)
    return context.wrap_socket(plain, server_hostname=place.server_name)
