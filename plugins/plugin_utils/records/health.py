"""The key ``health``: the request that asks whether an application is well, and the answers that say so.

The key is a path, or a dictionary with ``path``, ``status``, ``headers`` and ``host``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from . import syntax
from .limits import HEALTH_STATUSES, PORT_DIGITS, PORTS
from .problems import Problems, kind_of_value, shown
from .record import Health, Record
from .requests import NAME, OF_PROXIES
from .settings import Settings

KEYS = ("path", "status", "headers", "host")
PROTO = "x-forwarded-proto"
# What Apache takes from a trusted proxy of every record.
PROXY_HEADERS = (PROTO, "x-forwarded-host", "x-forwarded-prefix")
# The client of HTTP sets these itself, and Grove the last ones.
SET_BY_GROVE = re.compile(
    r"host|connection|keep-alive|proxy.*|te|trailer|transfer-encoding|content-.*|upgrade|expect|x-grove-.*",
    re.IGNORECASE,
)
# A field value of RFC 9110 in ASCII.
VALUE = re.compile(r"([!-~]([ \t!-~]*[!-~])?)?", re.ASCII)
STATUS_REMEDY = f"it has to be a status, or a list of them, each {HEALTH_STATUSES}"
FORM_REMEDY = f"it has to be a path, or a dictionary of {', '.join(KEYS)}"


def read_health(value: object) -> Health:
    """Return the health request of the key's value; a part that cannot be used has its default."""
    fields: Mapping[str, Any] = value if isinstance(value, Mapping) else {"path": value}
    path, host = fields.get("path"), fields.get("host")
    headers = fields.get("headers")
    texts = headers if isinstance(headers, Mapping) else {}
    return Health(
        path=path if isinstance(path, str) else "/",
        statuses=_statuses(fields.get("status")) or (200,),
        headers=MappingProxyType({str(name): str(text) for name, text in texts.items()}),
        host=host if isinstance(host, str) else None,
    )


def host_header(health: Health, name: str, port: int, *, tls: bool) -> str:
    """Return the header Host of the health request: that of a client who uses the record's name and port.

    Where a proxy ends TLS, the client's port is the proxy's, which is taken for the usual one.
    """
    if health.host:
        return health.host
    proxied = any(header.lower() == PROTO for header in health.headers)
    return name if proxied or port == (443 if tls else 80) else f"{name}:{port}"


def check_health(record: Record, settings: Settings, problems: Problems) -> None:
    """Check the key ``health``."""
    name, value = record.name, record.keys.reach.health
    if isinstance(value, str):
        _add(name, "health", value, syntax.health_path(value), problems)
        return
    if not isinstance(value, Mapping):
        problems.add(name, "health", shown(value), FORM_REMEDY)
        return
    for key in value:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(KEYS)}"
            problems.add(name, f"health.{key}", "an unknown key", remedy)
    if "path" in value:
        path = value["path"]
        remedy = syntax.health_path(path) if isinstance(path, str) else "it has to be a text"
        _add(name, "health.path", path, remedy, problems)
    if "status" in value and _statuses(value["status"]) is None:
        problems.add(name, "health.status", shown(value["status"]), STATUS_REMEDY)
    if "headers" in value:
        _check_headers(record, value["headers"], settings, problems)
    if "host" in value:
        remedy = _host(record, value["host"]) if isinstance(value["host"], str) else "it has to be a text"
        _add(name, "health.host", value["host"], remedy, problems)


def _add(record: str, key: str, value: object, remedy: str, problems: Problems) -> None:
    if remedy:
        problems.add(record, key, shown(value), remedy)


def _statuses(value: object) -> tuple[int, ...] | None:
    """Return statuses that an application may answer with; None for a value that cannot be used."""
    numbers = value if isinstance(value, (list, tuple)) else [value]
    statuses = []
    for number in numbers:
        if isinstance(number, str) and re.fullmatch("[0-9]{3}", number, re.ASCII):
            number = int(number)
        if isinstance(number, bool) or not isinstance(number, int) or number not in HEALTH_STATUSES:
            return None
        statuses.append(number)
    return tuple(dict.fromkeys(statuses)) or None


def _check_headers(record: Record, headers: object, settings: Settings, problems: Problems) -> None:
    """Check the headers of the request. A value may be a credential, and is not shown."""
    if not isinstance(headers, Mapping):
        problems.add(record.name, "health.headers", shown(headers), "it has to be a dictionary of names and texts")
        return
    for name, value in headers.items():
        key = f"health.headers.{name}"
        if not isinstance(name, str) or not NAME.fullmatch(name):
            remedy = "the name of a header has letters, digits and -"
            problems.add(record.name, key, "a name that no header has", remedy)
        elif remedy := _header(record, name.lower(), settings):
            problems.add(record.name, key, "a header that the request cannot have", remedy)
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            problems.add(record.name, key, kind_of_value(value), "it has to be a text; put it in quotes")
        elif not VALUE.fullmatch(str(value)):
            remedy = "it has to be a text of ASCII without spaces around it"
            problems.add(record.name, key, f"{len(str(value))} characters", remedy)


def _header(record: Record, name: str, settings: Settings) -> str:
    """Return the remedy for a header that no application gets from Grove's request; empty for another one."""
    if name == "host":
        return "it is the key health.host"
    if SET_BY_GROVE.fullmatch(name):
        return "Grove's client sets it; remove it"
    if name == "x-forwarded-for":
        return "Grove asks from the host itself, as no other client; remove it"
    if not OF_PROXIES.fullmatch(name):
        return ""
    if name not in (*PROXY_HEADERS, *(header.lower() for header in record.keys.reach.proxy_headers)):
        return "no client may say this; name the header in proxy_headers, if a proxy sends it"
    if not settings.trusted_proxies:
        return "no proxy may say this either: name the proxy in httpd_trusted_proxies"
    return ""


def _host(record: Record, text: str) -> str:
    """Return the remedy for a Host header with which the VirtualHost is not asked; empty for another one."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::([0-9]+))?", text, re.ASCII)
    if match is None:
        return "it has to be a host name or an address, with a port or without"
    name, port = match[1], match[2]
    if port and (len(port) > PORT_DIGITS or int(port) not in PORTS):
        return f"a port is {PORTS}"
    if remedy := syntax.host_name(name) if syntax.address(name) else "":
        return remedy
    names = [one for one in record.host_names if one]
    if names and not any(_matches(name.lower(), one) for one in names):
        return f"Apache refuses other names than {', '.join(names)}; add it to server_aliases"
    return ""


def _matches(name: str, known: str) -> bool:
    return name.endswith(known[1:]) if known.startswith("*.") else name == known
