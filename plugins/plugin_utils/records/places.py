"""Checking where an application is reached: its name, address, host names, paths and TLS."""

from __future__ import annotations

import ipaddress
import re

from .limits import NAME_LENGTH
from .problems import ALL, Problems, shown
from .record import Record
from .settings import Settings

NAME = re.compile(r"[a-z_][a-z0-9_-]*")
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*")
URL_PATH = re.compile(r"/[\w./~-]*", re.ASCII)
PATH_REMEDY = "letters, digits, ., _, ~, - and single slashes are possible"


def check_place(record: Record, problems: Problems) -> None:
    """Check the texts of a record that name places."""
    name, reach = record.name, record.keys.reach
    if not NAME.fullmatch(name):
        remedy = "an account's name has lower-case letters, digits, - and _, and starts with a letter or _"
        problems.add(name, "name", shown(name), remedy)
    elif len(name) > NAME_LENGTH:
        problems.add(name, "name", f"{len(name)} characters", f"it may have {NAME_LENGTH} at most")
    if not record.port:
        remedy = "it has to be a port from 1 to 65535, or an address and a port such as 127.0.0.1:8080"
        problems.add(name, "listen", shown(reach.listen), remedy)
    if not reach.health.startswith("/"):
        problems.add(name, "health", shown(reach.health), "a path starts with /")
    names = [("server_name", reach.server_name), *(("server_aliases", alias) for alias in reach.server_aliases)]
    for key, value in names:
        if value is not None and not HOST_NAME.fullmatch(value.removeprefix("*.")):
            problems.add(name, key, shown(value), "it has to be a host name")
    if reach.server_aliases and not reach.server_name:
        problems.add(name, "server_aliases", shown(reach.server_aliases), "server_name has to be given, too")
    if not URL_PATH.fullmatch(record.path) or "//" in record.path:
        problems.add(name, "path", shown(record.path), PATH_REMEDY)
    for line in reach.directives:
        if "\n" in line:
            problems.add(name, "directives", shown(line), "each element has to be one line")
    for network in reach.allow_from:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            remedy = "it has to be an address or a network such as 10.0.0.0/8"
            problems.add(name, "allow_from", shown(network), remedy)
    _check_tls(record, problems)


def _check_tls(record: Record, problems: Problems) -> None:
    pair = (record.tls_certificate, record.tls_key)
    if record.tls == "given" and not all(pair):
        problems.add(record.name, "tls", "given", "tls_certificate and tls_key have to be given, too")
    if record.tls == "off" and any(pair):
        key = "tls_certificate" if pair[0] else "tls_key"
        problems.add(record.name, key, shown(pair[0] or pair[1]), "it goes with tls: given only")


def check_addresses(settings: Settings, problems: Problems) -> bool:
    """Check the variables on which all records' addresses depend; return whether they can be used."""
    known = len(problems)
    door = ip_address(settings.door_address)
    if door is None or not door.is_loopback or not settings.door_port:
        remedy = "it has to be a loopback address and a port such as 127.0.0.1:9080"
        problems.add(ALL, "wsgi_app_door", shown(settings.door), remedy)
    if settings.listen_address != "*" and ip_address(settings.listen_address) is None:
        remedy = "it has to be an address of the host, or * for every one"
        problems.add(ALL, "wsgi_app_listen_address", shown(settings.listen_address), remedy)
    return len(problems) == known


def ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text is, in brackets or not; None when it is none."""
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def every_address(address: str) -> bool:
    """Return whether a socket of that address accepts connections to any address of the host."""
    parsed = ip_address(address)
    return address == "*" or (parsed is not None and parsed.is_unspecified)
