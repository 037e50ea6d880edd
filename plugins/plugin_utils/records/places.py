"""Where an application of a record lives and is reached: account, folders, groups, address, host names, TLS."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from .problems import ALL, Check, shown
from .settings import Settings

NAME = re.compile(r"[a-z_][a-z0-9_-]*")
NAME_LIMIT = 30
LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
HOST_NAME = re.compile(rf"(?=.{{1,253}}$){LABEL}(\.{LABEL})*")
URL_PATH = re.compile(r"/[\w./~-]*", re.ASCII)
PATH_RIGHT = "letters, digits, ., _, ~, - and single slashes are possible"


def complete(record: dict[str, Any], settings: Settings, result: Check) -> None:
    """Add all that follows from the record's name, address and path."""
    name = record["name"]
    record["account"] = name
    record["folder"] = f"{settings.base}/{name}"
    record["state"] = f"{settings.state_base}/{name}"
    record["logs"] = f"{settings.log_base}/{name}"
    record["home"] = record["home"] or record["state"]
    record["python"] = record["python"] or settings.python
    record["groups"] = {colour: f"{name}-{colour}" for colour in ("blue", "green")}
    record["doors"] = {colour: f"{colour}.{name}.door" for colour in ("blue", "green")}
    record["door"] = settings.door
    record["address"], record["port"] = _address(record, settings, result)
    record["listen_line"] = str(record["port"]) if record["address"] == "*" else f"{record['address']}:{record['port']}"
    record["path"] = "/" + record["path"].strip("/")
    record["health_path"] = record["path"].rstrip("/") + record["health"]
    if record["tls"] == "private_ca":
        record["tls_certificate"] = f"{settings.tls_dir}/{name}.crt"
        record["tls_key"] = f"{settings.tls_dir}/{name}.key"
    record["url"] = _url(record)
    record["site"] = f"{record['address']}:{record['port']}|{(record['server_name'] or '').lower()}"


def check_place(record: dict[str, Any], result: Check) -> None:
    """Check the texts of a record that name places."""
    name = record["name"]
    if not NAME.fullmatch(name):
        right = "an account's name has lower-case letters, digits, - and _, and starts with a letter or _"
        result.add(name, "name", shown(name), right)
    elif len(name) > NAME_LIMIT:
        result.add(name, "name", f"{len(name)} characters", f"it may have {NAME_LIMIT} at most")
    if not record["health"].startswith("/"):
        result.add(name, "health", shown(record["health"]), "a path starts with /")
    for key, values in (("server_name", [record["server_name"]]), ("server_aliases", record["server_aliases"])):
        for value in values:
            if value is not None and not HOST_NAME.fullmatch(value.removeprefix("*.")):
                result.add(name, key, shown(value), "it has to be a host name")
    if record["server_aliases"] and not record["server_name"]:
        result.add(name, "server_aliases", shown(record["server_aliases"]), "server_name has to be given, too")
    if not URL_PATH.fullmatch(record["path"]) or "//" in record["path"]:
        result.add(name, "path", shown(record["path"]), PATH_RIGHT)
    for line in record["directives"]:
        if "\n" in line:
            result.add(name, "directives", shown(line), "each element has to be one line")
    for network in record["allow_from"]:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            result.add(name, "allow_from", shown(network), "it has to be an address or a network such as 10.0.0.0/8")
    pair = (record["tls_certificate"], record["tls_key"])
    if record["tls"] == "given" and not all(pair):
        result.add(name, "tls", "given", "tls_certificate and tls_key have to be given, too")
    if record["tls"] == "off" and any(pair):
        key = "tls_certificate" if pair[0] else "tls_key"
        result.add(name, key, shown(pair[0] or pair[1]), "it goes with tls: given only")


def good_addresses(settings: Settings, result: Check) -> bool:
    """Return whether the variables that all records' addresses depend on can be used."""
    known = len(result.problems)
    door = ip_address(settings.door_address)
    if door is None or not door.is_loopback or not 0 < settings.door_port < 65536:
        right = "it has to be a loopback address and a port such as 127.0.0.1:9080"
        result.add(ALL, "wsgi_app_door", shown(settings.door), right)
    if settings.listen_address != "*" and ip_address(settings.listen_address) is None:
        right = "it has to be an address of the host, or * for every one"
        result.add(ALL, "wsgi_app_listen_address", shown(settings.listen_address), right)
    return len(result.problems) == known


def ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text is, in brackets or not; None when it is none."""
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def every_address(address: str) -> bool:
    """Return whether a socket of that address takes what is sent to any address."""
    return address == "*" or ipaddress.ip_address(address.strip("[]")).is_unspecified


def _address(record: dict[str, Any], settings: Settings, result: Check) -> tuple[str, int]:
    text = record["listen"] if isinstance(record["listen"], (str, int)) else ""
    address, _, port = str(text).rpartition(":")
    address = (address or settings.listen_address).strip("[]")
    try:
        if isinstance(text, bool) or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError(port)
        if address != "*" and ipaddress.ip_address(address).version == 6:
            address = f"[{address}]"
    except ValueError:
        right = "it has to be a port from 1 to 65535, or an address and a port such as 127.0.0.1:8080"
        result.add(record["name"], "listen", shown(record["listen"]), right)
        return "*", 0
    return address, int(port)


def _url(record: dict[str, Any]) -> str:
    scheme, usual = ("http", 80) if record["tls"] == "off" else ("https", 443)
    host = record["server_name"] or ("127.0.0.1" if record["address"] == "*" else record["address"])
    port = "" if record["port"] == usual else f":{record['port']}"
    return f"{scheme}://{host}{port}{record['path']}"
