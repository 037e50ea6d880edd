"""Sends one POST request to a receiver that a user named, and does not trust the receiver.

The whole request has a time limit. The body of the answer is not read, redirects are not followed, and proxies are not
used. The address is checked after the name was resolved, and the request goes to this address.
"""

import base64
import contextlib
import functools
import http.client
import ipaddress
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, unquote

from oslo_config import cfg

from telemetry.alarms.errors import NotDeliveredError, RefusedError

# Statuses after which the same request may succeed later.
LATER = frozenset({401, 408, 421, 425, 429})
# In the query of an action: whether the certificate of the receiver is verified. The names are Ceilometer's and Aodh's.
VERIFY_PARAMETERS = ("ceilometer-alarm-ssl-verify", "aodh-alarm-ssl-verify")
SAFE = "!#$%&'()*+,/:;=?@[]~"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class Settings:
    """How receivers are called. `timeout` is in seconds."""

    timeout: float
    verify: bool
    authorities: str | None
    certificate: str | None
    key: str | None
    refused: tuple[Network, ...]


def settings_of(conf: cfg.ConfigOpts) -> Settings:
    """Return the settings of a configuration. Raises cfg.Error for a network that cannot be read."""
    options = conf.alarm
    try:
        refused = tuple(ipaddress.ip_network(network) for network in options.rest_notifier_refused_networks)
    except ValueError as error:
        raise cfg.Error(f"[alarm] rest_notifier_refused_networks: {error}") from error
    return Settings(
        timeout=options.rest_notifier_timeout,
        verify=options.rest_notifier_ssl_verify,
        authorities=options.rest_notifier_ca_bundle_certificate_path,
        certificate=options.rest_notifier_certificate_file,
        key=options.rest_notifier_certificate_key,
        refused=refused,
    )


def post(url: SplitResult, body: bytes, headers: Mapping[str, str], settings: Settings) -> None:
    """Send a body. Raises NotDeliveredError unless the answer is a status from 200 to 299."""
    if not url.hostname:
        raise RefusedError("the action names no host")
    headers = {**headers, "Connection": "close", "User-Agent": "telemetry-notifier"}
    if url.username is not None:
        user = f"{unquote(url.username)}:{unquote(url.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    target = quote(url.path or "/", SAFE) + (f"?{quote(url.query, SAFE)}" if url.query else "")
    context = _context(_verifies(url, settings), settings) if url.scheme == "https" else None
    try:
        connection = Connection(url.hostname, url.port, context, settings)
    except http.client.InvalidURL as error:
        raise RefusedError("the action names a host that cannot be") from error
    with contextlib.closing(connection), connection.time_limit():
        try:
            connection.request("POST", target, body, headers)
            status = connection.getresponse().status
            # The end of a broken connection looks like the end of the headers.
            if connection.expired:
                raise TimeoutError("timed out")
        except NotDeliveredError:
            raise
        except (OSError, http.client.HTTPException) as error:
            late = f" within {settings.timeout:g} s" if connection.expired or isinstance(error, TimeoutError) else ""
            # The text of an HTTPException may have parts of the URL or of the answer in it.
            detail = f": {error}" if isinstance(error, OSError) else ""
            raise NotDeliveredError(f"no answer{late} ({type(error).__name__}{detail})") from error
        except ValueError as error:
            raise RefusedError(f"the request cannot be made ({type(error).__name__})") from error
    if not 200 <= status < 300:
        kind = NotDeliveredError if status >= 500 or status in LATER else RefusedError
        raise kind(f"the answer is status {status}")


def _verifies(url: SplitResult, settings: Settings) -> bool:
    values = parse_qs(url.query)
    for name in VERIFY_PARAMETERS:
        with contextlib.suppress(KeyError, ValueError):
            return bool(int(values[name][-1]))
    return settings.verify


@functools.lru_cache
def _context(verify: bool, settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.authorities if verify else None)
        if settings.certificate:
            context.load_cert_chain(settings.certificate, settings.key)
    except OSError as error:
        # An operator may correct the files.
        raise NotDeliveredError(f"the configured certificates cannot be read: {error}") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Connection(http.client.HTTPConnection):
    """A connection to an address that is not in a refused network, over TLS if there is a context."""

    def __init__(self, host: str, port: int | None, context: ssl.SSLContext | None, settings: Settings) -> None:
        self.default_port = 443 if context else 80
        # Without a port, the end of an IPv6 address would be read as one.
        super().__init__(host, port or self.default_port, timeout=settings.timeout)
        self.expired = False
        self._tls = context
        self._settings = settings
        self._lock = threading.Lock()

    def connect(self) -> None:
        """Connect to the first address that answers. Raises RefusedError if every address is refused."""
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        allowed = [address for address in addresses if not self._is_refused(str(address[4][0]))]
        if not allowed:
            raise RefusedError("the address of the receiver is in [alarm] rest_notifier_refused_networks")
        plain = self._first(allowed)
        self._use(plain)
        if self._tls is not None:
            self._use(self._tls.wrap_socket(plain, server_hostname=self.host))

    def _is_refused(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        return any(one in network for one in (address, mapped) if one for network in self._settings.refused)

    def _first(self, addresses: list[Any]) -> socket.socket:
        problem: OSError = OSError("no address")
        for family, kind, protocol, _, address in addresses:
            plain = socket.socket(family, kind, protocol)
            plain.settimeout(self.timeout)
            try:
                plain.connect(address)
            except OSError as error:
                plain.close()
                problem = error
                if self.expired:
                    break
            else:
                return plain
        raise problem

    def _use(self, connected: socket.socket) -> None:
        with self._lock:
            self.sock = connected
        if self.expired:
            raise TimeoutError("timed out")

    @contextlib.contextmanager
    def time_limit(self) -> Any:
        """Break the connection if the block takes longer than the time limit of the settings.

        A limit of the socket alone starts again with each byte.
        """
        timer = threading.Timer(self._settings.timeout, self._expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _expire(self) -> None:
        self.expired = True
        with self._lock, contextlib.suppress(OSError):
            if self.sock is not None:
                # Not the method of a TLS socket, which waits for the other side.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
