"""Checking where an application is reached: its name, address, host names, paths and TLS."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence

from ..inventory import read_as_inventory
from . import syntax
from .limits import NAME_LENGTH, PORT_DIGITS, PORTS
from .problems import ALL, INVENTORY_REMEDY, Problems, shown
from .record import Record
from .settings import Settings

NAME = re.compile(r"[a-z_][a-z0-9_-]*")
# Two Apaches run during a handover.
HANDOVER_DOORS = 2
# Grove keeps Apache's former configuration in its own folder of this name.
RESERVED_NAMES = ("grove",)


def check_place(record: Record, problems: Problems) -> None:
    """Check the texts of a record that name places."""
    name, reach = record.name, record.keys.reach
    if not NAME.fullmatch(name):
        remedy = "an account's name has lower-case letters, digits, - and _, and starts with a letter or _"
        problems.add(name, "name", shown(name), remedy)
    elif len(name) > NAME_LENGTH:
        problems.add(name, "name", f"{len(name)} characters", f"it may have {NAME_LENGTH} at most")
    if not record.port:
        remedy = (
            "it has to be a port from 1 to 65535, or an address or a host name and a port, such as 127.0.0.1:8080,"
            " [::1]:8080 or localhost:8080"
        )
        problems.add(name, "listen", shown(reach.listen), remedy)
    if name in RESERVED_NAMES:
        problems.add(name, "name", shown(name), "Grove uses the folders of that name itself; choose another")
    if reach.server_name is not None:
        _check(name, "server_name", reach.server_name, syntax.host_name(reach.server_name), problems)
    for alias in reach.server_aliases:
        _check(name, "server_aliases", alias, syntax.host_name(alias, wildcard=True), problems)
    if reach.server_aliases and not reach.server_name:
        problems.add(name, "server_aliases", shown(reach.server_aliases), "server_name has to be given, too")
    _check(name, "path", reach.path, syntax.url_path(reach.path), problems)
    for line in reach.directives:
        # Apache joins such a line with the next one, which is Grove's.
        _check(name, "directives", line, "it may not end with a backslash" if line.endswith("\\") else "", problems)
    for network in reach.allow_from:
        _check(name, "allow_from", network, syntax.network(network), problems)
    _check_tls(record, problems)


def _check(record: str, key: str, value: str, remedy: str, problems: Problems) -> None:
    if remedy:
        problems.add(record, key, shown(value), remedy)


def _check_tls(record: Record, problems: Problems) -> None:
    for key, path in (("tls_certificate", record.keys.reach.tls_certificate), ("tls_key", record.keys.reach.tls_key)):
        if path is not None:
            _check(record.name, key, path, syntax.quoted_path(path), problems)
    pair = (record.keys.reach.tls_certificate, record.keys.reach.tls_key)
    if record.tls == "given" and not all(pair):
        problems.add(record.name, "tls", "given", "tls_certificate and tls_key have to be given, too")
    if record.tls == "off" and any(pair):
        key = "tls_certificate" if pair[0] else "tls_key"
        problems.add(record.name, key, shown(pair[0] or pair[1]), "it goes with tls: given only")


def check_authority(records: Sequence[Record], settings: Settings, problems: Problems) -> None:
    """Check that Ansible does not read the keys of the private certificate authority as inventories."""
    folder = settings.tls_ca_dir
    if not folder or not any(record.private for record in records):
        return
    if read_as_inventory(os.path.join(folder, "ca.key"), settings.inventories):
        problems.add(ALL, "wsgi_app_tls_ca_dir", f"{folder}, which Ansible reads as an inventory", INVENTORY_REMEDY)


def check_addresses(settings: Settings, problems: Problems) -> bool:
    """Check the variables on which all records' addresses depend; return whether they can be used."""
    known = len(problems)
    written = (settings.door, *settings.handover_doors)
    for (key, host, address, number), text in zip(settings.every_door, written, strict=True):
        door = ip_address(address)
        if door is None or not door.is_loopback or not number or syntax.address(host):
            example = "127.0.0.1:9080" if key == "wsgi_app_door" else "127.0.0.1:9078"
            remedy = f"it has to be a loopback address and a port such as {example}"
            problems.add(ALL, key, shown(text), remedy)
    if len(settings.handover_doors) not in (0, HANDOVER_DOORS):
        remedy = "it has to be a list of two addresses: a generation of Apache has one, and the next one the other"
        problems.add(ALL, "httpd_handover_doors", shown(list(settings.handover_doors)), remedy)
    if settings.listen_address != "*" and syntax.address(settings.listen_address):
        remedy = "it has to be an address of the host, or * for every one"
        problems.add(ALL, "wsgi_app_listen_address", shown(settings.listen_address), remedy)
    for key, path in (
        ("wsgi_app_base", settings.base),
        ("wsgi_app_state_base", settings.state_base),
        ("wsgi_app_log_base", settings.log_base),
        ("wsgi_app_python", settings.python),
        ("mod_wsgi_python", settings.mod_wsgi_python),
    ):
        _check(ALL, key, path, syntax.plain_path(path), problems)
    for line in settings.httpd_listen:
        host, _, port = line.rpartition(":")
        usable = port.isascii() and port.isdigit() and int(port) in PORTS if len(port) <= PORT_DIGITS else False
        if not usable or (host not in ("", "*") and syntax.address(host)):
            remedy = "it has to be a port, or an address and a port such as 127.0.0.1:8080"
            problems.add(ALL, "wsgi_app_extra_listen", shown(line), remedy)
    if len(problems) == known:
        _check_doors(settings, problems)
    return len(problems) == known


def _check_doors(settings: Settings, problems: Problems) -> None:
    """Check that no door of a handover has the port of another door, or of a further address."""
    taken = {int(line.rpartition(":")[2]): "wsgi_app_extra_listen" for line in settings.httpd_listen}
    for key, _, _, port in settings.every_door:
        if key == "httpd_handover_doors" and port in taken:
            problems.add(ALL, key, f"port {port}", f"{taken[port]} uses that port; choose another for one of them")
        taken.setdefault(port, key)


def ip_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that a text is, in brackets or not; None when it is none."""
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def is_name(address: str) -> bool:
    """Return whether a record listens on a host name instead of an address."""
    return address != "*" and ip_address(address) is None


def every_address(address: str) -> bool:
    """Return whether a socket of that address accepts connections to any address of the host."""
    parsed = ip_address(address)
    return address == "*" or (parsed is not None and parsed.is_unspecified)
