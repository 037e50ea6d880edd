"""Translating a record into the plain dictionaries that its three consumers get.

Apache's templates get the groups reach, run and limits. A build gets install, make, replace and limits. Switching gets
replace without the commands. A new key of a group is in the group's views without a change here. No view holds the
environment or the sections of configuration files, which may be secrets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from .placeholders import values_of
from .record import PasteFile, Record

# Fields that follow from a record, beside its keys.
PLACES = (
    *("name", "kind", "account", "folder", "state", "logs", "groups", "door", "doors"),
    *("address", "port", "listen_line", "path", "health_path", "url", "site", "tls_certificate", "tls_key", "staples"),
    *("answer_headers", "health_check"),
    *("processes", "threads", "daemon_options", "agents", "timers"),
)
RELEASE = ("source", "lock", "extras", "config", "copies", "paste", "python", "abi", "home", "entry", "call", "several")
SECRET = "environment"
# Keys of the group reach that a release needs: what Apache serves from it, and what makes the request of its trial.
REACH_OF_A_RELEASE = ("static", "server_name", "tls", "directives", "client_headers", "proxy_headers")
# What the host keeps in app.json for status, rollback and switches: these fields, and the group replace without its
# commands, which may be secrets and which the release has.
SERVING = (
    *("name", "folder", "account", "processes", "health_path", "health_check"),
    *("address", "port", "server_name", "tls", "url", "door", "doors"),
)
COMMANDS = ("prepare", "migrate", "migrate_on", "migrate_reads", "contract", "after", "after_on")


def views(record: Record) -> dict[str, dict[str, Any]]:
    """Return the three views by name: ``apache``, ``build`` and ``serving``."""
    return {"apache": apache_view(record), "build": build_view(record), "serving": serving_view(record)}


def apache_view(record: Record) -> dict[str, Any]:
    """Return what Apache's templates and the load balancers get.

    given: the paths of a given certificate and its key on the load balancers, or None.
    """
    reach = record.keys.reach
    given = {"certificate": reach.tls_certificate, "key": reach.tls_key} if reach.tls == "given" else None
    return {**_view(record, ("reach", "run", "limits"), (*PLACES, "balanced_name")), "given": given}


def build_view(record: Record) -> dict[str, Any]:
    """Return what the build of a release gets."""
    reach = _plain({key: getattr(record.keys.reach, key) for key in REACH_OF_A_RELEASE})
    reach["placeholders"] = values_of(record)
    return {**reach, **_view(record, ("install", "make", "replace", "limits"), (*PLACES, *RELEASE))}


def serving_view(record: Record) -> dict[str, Any]:
    """Return what switching the traffic gets."""
    values = _view(record, ("replace",), SERVING)
    return {key: value for key, value in values.items() if key not in COMMANDS}


def _view(record: Record, groups: Iterable[str], fields: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for group in groups:
        values |= _members(getattr(record.keys, group))
    values |= {field: getattr(record, field) for field in fields}
    values.pop(SECRET, None)
    view: dict[str, Any] = _plain(values)
    return view


def _members(instance: Any) -> dict[str, Any]:
    return {field.name: getattr(instance, field.name) for field in dataclasses.fields(instance)}


def _plain(value: Any) -> Any:
    """Return ``value`` made of dictionaries and lists, as templates and JSON take it."""
    if isinstance(value, PasteFile):
        return _plain({"from": value.origin, "oslo_config_file": value.oslo_config_file, "overlay": value.overlay})
    if dataclasses.is_dataclass(value):
        return _plain(_members(value))
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
