"""Checking the public variables of roles: their types and choices, and their values for the one who consumes them.

The types are those of the roles' argument specs. Ansible checks them only where a role is run as a whole, and hands on
a text such as "no" as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from .records import syntax
from .records.limits import PORTS, RANGES_OF_VARIABLES, Range
from .records.problems import ALL, Problems, kind_of_value, shown
from .records.spec import value_faults

# The name of a database, or of an account of a database server or a message broker.
ACCOUNT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
# Words that pg_hba.conf takes for all databases or accounts.
RESERVED_ACCOUNTS = ("all", "replication", "sameuser", "samerole", "samegroup")
ACCOUNT_HOST = re.compile(r"[A-Za-z0-9.:/%_-]+")
OPTION = re.compile(r"[A-Za-z_][A-Za-z0-9_.$-]*")
VERSION = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")
CLOUD = re.compile(r"[A-Za-z0-9_.-]+")
ROLE = re.compile(r"[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*){0,2}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
GROUP = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
SOCKET = re.compile(r"(([0-9]{1,3}[.]){3}[0-9]{1,3}|\[[0-9a-f:.]+\]):([1-9][0-9]{0,4})")
LOOPBACK = re.compile(r"127[.]|\[::1\]")
# The first version that corrupts the bodies of requests, and the first one after it that does not.
CORRUPTING, CORRECTED = (6,), (6, 0, 5)
PYTHON_OF_PACKAGE = "/usr/bin/python3"


def matching(pattern: re.Pattern[str], remedy: str) -> Callable[[str], str]:
    """Return a check of texts that fit a pattern."""
    return lambda text: "" if pattern.fullmatch(text) else remedy


def either(first: Callable[[str], str], second: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check of texts that pass one of two checks; the remedy is the second one's."""
    return lambda text: first(text) and second(text)


def empty_or(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check of texts that may be empty."""
    return lambda text: check(text) if text else ""


def vhost(text: str) -> str:
    """Check a virtual host of RabbitMQ."""
    return "it has to be a name without spaces" if re.search(r"\s", text) or text[:1] in ("", "-") else ""


def account(text: str) -> str:
    """Check the name of a database or an account, which stands in pg_hba.conf and on command lines."""
    if text in RESERVED_ACCOUNTS or not ACCOUNT.fullmatch(text):
        return "it has to be a name of letters, digits and _.-, and no word of pg_hba.conf such as all"
    return ""


def each(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check of texts with commas between their parts."""
    return lambda text: next(filter(None, (check(part.strip()) for part in text.split(","))), "")


listening = either(syntax.address, syntax.host_name)
every_or_listening = either(matching(re.compile(r"\*"), "it has to be *"), listening)
version = matching(VERSION, "it has to be a version such as 6.1.1")

# The check of each text, or of each text in a list. A variable without an entry may be any line of text.
TEXTS: Mapping[str, Callable[[str], str]] = {
    "httpd_server_name": listening,
    "httpd_trusted_proxies": syntax.network,
    "httpd_load_balancers": syntax.address,
    "httpd_host_pythons": syntax.plain_path,
    "httpd_modules_folder": syntax.plain_path,
    "httpd_status_group": empty_or(
        matching(GROUP, "it has to be the name of a group on the host, or empty for root alone")
    ),
    "mod_wsgi_version": version,
    "mod_wsgi_python": syntax.plain_path,
    "mod_wsgi_folder": syntax.plain_path,
    "mod_wsgi_daemon_python": syntax.plain_path,
    "uv_version": version,
    "uv_folder": syntax.plain_path,
    "uv_python": syntax.plain_path,
    "uv_cache": syntax.plain_path,
    "uv_ca_bundle": empty_or(syntax.quoted_path),
    "uv_wheelhouse": empty_or(syntax.quoted_path),
    "openstack_client_folder": syntax.plain_path,
    "openstack_client_python": syntax.plain_path,
    "openstack_client_cloud": matching(CLOUD, "it has to be a name of letters, digits and _.-"),
    "database_listen": each(every_or_listening),
    "database_databases": account,
    "database_host_address": empty_or(syntax.address),
    "message_bus_listen": listening,
    "message_bus_host_address": empty_or(syntax.address),
    "message_bus_absent_users": vhost,
    "cache_listen": listening,
    "load_balancer_host_address": empty_or(syntax.address),
    "load_balancer_address": empty_or(syntax.address),
    "load_balancer_listen": either(matching(re.compile(r"\*"), "it has to be *"), syntax.address),
    "load_balancer_statistics": matching(
        re.compile(r"([0-9.]+|\[[0-9a-f:.]+\]):[0-9]{1,5}"), "it has to be an address and a port such as 127.0.0.1:9119"
    ),
    "wsgi_services": matching(ROLE, "it has to be the name of a role, such as telemetry or my.own.role"),
    "wsgi_app_traffic_role": empty_or(matching(ROLE, "it has to be the name of a role, such as my.own.role")),
}
# The check of the fields of each dictionary in a list. Passwords may be any line of text.
FIELDS: Mapping[str, Mapping[str, Callable[[str], str]]] = {
    "database_users": {
        "name": account,
        "service": account,
        "host": matching(ACCOUNT_HOST, "it has to be an address, a network, a host name or %"),
        "databases": account,
    },
    "message_bus_users": {"name": vhost, "vhosts": vhost},
}
# Dictionaries that are written into the file of a server, or an environment.
OPTIONS: Mapping[str, re.Pattern[str]] = {
    "uv_environment": VARIABLE,
    "database_config": OPTION,
    "database_galera_config": OPTION,
    "message_bus_config": OPTION,
}


def check_variables(specs: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any], problems: Problems) -> None:
    """Check variables by their names.

    specs: the options of the roles' argument specs. values: those variables that are set. Nothing is shown of values
    that may be secrets.
    """
    for name, option in specs.items():
        if name not in values:
            continue
        value = values[name]
        if value is None:
            problems.add(ALL, name, "nothing", "remove the line, so that the default counts, or give it a value")
            continue
        found = value_faults(value, option, name)
        for key, actual, remedy in found:
            problems.add(ALL, key, actual, remedy)
        if not found:
            _check_value(name, value, problems)
    _check_mod_wsgi(values, problems)
    _check_metrics(values, problems)


def _check_mod_wsgi(values: Mapping[str, Any], problems: Problems) -> None:
    """Check variables of the role mod_wsgi that depend on where mod_wsgi comes from."""
    source, number, python = (values.get(f"mod_wsgi_{name}") for name in ("source", "version", "python"))
    parts = tuple(map(int, str(number).split("."))) if VERSION.fullmatch(str(number)) else ()
    if source == "pypi" and CORRUPTING <= parts < CORRECTED:
        remedy = "6.0.0 to 6.0.4 corrupt the bodies of POST requests; choose 6.0.5 or newer"
        problems.add(ALL, "mod_wsgi_version", shown(number), remedy)
    if source == "package" and python not in (None, PYTHON_OF_PACKAGE):
        remedy = (
            f"the distribution's mod_wsgi (mod_wsgi_source: package) is linked to {PYTHON_OF_PACKAGE}; use that, or"
            " mod_wsgi_source: pypi"
        )
        problems.add(ALL, "mod_wsgi_python", shown(python), remedy)


def _check_metrics(values: Mapping[str, Any], problems: Problems) -> None:
    """Check the addresses of the metrics, where there are metrics."""
    if not boolean(values.get("httpd_metrics"), strict=False):
        return
    for name, kind in {"metrics_listen": "an address", "metrics_live": "a loopback address"}.items():
        text = values.get(name)
        if text is None or (name == "metrics_live" and text == ""):
            continue
        match = SOCKET.fullmatch(str(text))
        local = name == "metrics_listen" or LOOPBACK.match(str(text))
        if not match or int(match.group(3)) > PORTS.greatest or not local:
            problems.add(
                ALL, name, shown(text), f"it has to be {kind} and a port, such as 127.0.0.1:9117 or [::1]:9117"
            )


def _check_value(name: str, value: Any, problems: Problems) -> None:
    limits = RANGES_OF_VARIABLES.get(name) or (PORTS if name.endswith("_port") else None)
    if limits is not None:
        _check_range(name, value, limits, problems)
    if name in TEXTS:
        for text in value if isinstance(value, list) else [value]:
            if remedy := TEXTS[name](str(text)):
                problems.add(ALL, name, shown(text), remedy)
    for number, entry in enumerate(value if name in FIELDS else ()):
        for field, text in _texts_of(entry, FIELDS[name]):
            if remedy := FIELDS[name][field](str(text)):
                problems.add(ALL, f"{name}[{number}].{field}", shown(text), remedy)
    if name in OPTIONS:
        for option, one in value.items():
            key = f"{name}.{option}"
            if not OPTIONS[name].fullmatch(str(option)):
                problems.add(ALL, key, "a name that is not usable", "it has letters, digits and _, and no spaces")
            if not isinstance(one, (str, int, float, bool)):
                problems.add(ALL, key, kind_of_value(one), "it has to be one text or number")
            elif isinstance(one, str) and one != one.strip():
                problems.add(ALL, key, "a text with spaces around it", "the server takes them away; remove them")


def _check_range(name: str, value: object, limits: Range, problems: Problems) -> None:
    number = int(str(value))
    if number not in limits:
        problems.add(ALL, name, str(number), f"it has to be {limits}")


def _texts_of(entry: object, fields: Iterable[str]) -> Iterable[tuple[str, object]]:
    for field in fields:
        value = entry.get(field) if isinstance(entry, Mapping) else None
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if text is not None:
                yield field, text
