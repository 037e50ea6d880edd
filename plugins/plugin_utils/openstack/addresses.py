"""Addresses of servers, as operators write them and as URLs need them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .errors import wrong

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9.])?")
FORMS = (
    "a host name or an IP address, with a port unless that is {port}, such as 192.0.2.1:{port} or [2001:db8::1]:{port}"
)


@dataclass(frozen=True)
class Address:
    """A host and a port. ``host`` is a name, an IPv4 address, or an IPv6 address without brackets."""

    host: str
    port: int

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an IPv6 address."""
        return ":" in self.host

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address in brackets, anything else unchanged."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def parse_host(variable: str, value: object) -> str:
    """Return the host that ``value`` names, an IPv6 address without brackets. Raises ControlPlaneError."""
    text = str(value).strip()
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not _is_host(host):
        raise wrong(variable, value, "it has to be a host name or an IP address, without a port")
    return host


def parse_address(variable: str, value: object, default_port: int) -> Address:
    """Return the address that ``value`` names.

    Args:
        variable: The name of the variable, for the error.
        value: A host, with or without a port. IPv6 addresses with a port stand in brackets.
        default_port: The port where ``value`` has none.

    Raises:
        ControlPlaneError: It is no address.
    """
    text = str(value).strip()
    match = re.fullmatch(r"\[(?P<ipv6>[^\[\]]*)\](:(?P<port>.*))?", text, re.DOTALL)
    if match:
        host, port = match["ipv6"], match["port"]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, None
    number = default_port if port is None else _port(port)
    if number == 0 or not _is_host(host):
        raise wrong(variable, value, f"it has to be {FORMS.format(port=default_port)}")
    return Address(host, number)


def parse_addresses(variable: str, value: object, default_port: int) -> tuple[Address, ...]:
    """Return the addresses that ``value`` names: a list, or a text with commas. Raises ControlPlaneError."""
    items = list(value) if isinstance(value, (list, tuple)) else str(value).split(",")
    if not items:
        raise wrong(variable, value, "it has to have one address or more")
    return tuple(parse_address(variable, item, default_port) for item in items)


def parse_cache_server(variable: str, value: object) -> str:
    """Return a memcached server as its clients want it. Raises ControlPlaneError.

    Clients take an IPv6 address, or a name that has one, only after "inet6:", and the path of a socket after "unix:".
    """
    text = str(value).strip()
    if text.startswith("unix:/"):
        return text
    prefix = "inet6:" if text.startswith("inet6:") else ""
    address = parse_address(variable, text.removeprefix(prefix), 11211)
    return f"inet6:[{address.host}]:{address.port}" if prefix or address.is_ipv6 else str(address)


def parse_port(variable: str, listen: object) -> int:
    """Return the port of a record's ``listen``: a port, or an address and a port. Raises ControlPlaneError."""
    number = _port(str(listen).strip().rpartition(":")[2])
    if number == 0:
        raise wrong(variable, listen, "it has to be a port, or an address and a port, such as 8774 or 127.0.0.1:8774")
    return number


def _port(text: str) -> int:
    number = int(text) if re.fullmatch("[0-9]{1,5}", text) else 0
    return number if number < 65536 else 0


def _is_host(text: str) -> bool:
    if ":" in text and "%" not in text:
        try:
            return bool(ipaddress.IPv6Address(text))
        except ValueError:
            return False
    return HOST.fullmatch(text) is not None
