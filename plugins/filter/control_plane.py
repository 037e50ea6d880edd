"""Filters for the roles of services."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.utils.vars import merge_hash
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.addresses import bracketed
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.connections import expected_connections
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import FAILED_TEMPLATES, WHOLE_RECORD, shown

ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}
"""Variables of each service's programs.

The C library keeps up to eight pools of memory for each core. Threads that share Python's lock need no more than two.
"""


def service_record(record: Mapping[str, Any], changes: object) -> dict[str, Any]:
    """Return a service's record with what an operator's NAME_record changes.

    Dictionaries are merged key by key at every depth. Everything else, lists too, is replaced. Changes that are no
    dictionary make a record that the check of records refuses. The environment has ``ENVIRONMENT``, unless a record
    says otherwise.
    """
    if not isinstance(changes, Mapping):
        return {**record, FAILED_TEMPLATES: {WHOLE_RECORD: f"the changes of a service are {shown(changes)}"}}
    complete = {**record, "environment": {**ENVIRONMENT, **record.get("environment", {})}}
    merged: dict[str, Any] = merge_hash(complete, changes, recursive=True, list_merge="replace")
    return merged


def service_hosts(hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], service: str) -> list[str]:
    """Return those of ``hosts`` that deploy a service, whose role may be named with its collection."""
    return [
        host
        for host in hosts
        if service in (str(role).rpartition(".")[2] for role in hostvars[host].get("wsgi_services") or ())
    ]


def file_backends(enabled: object) -> list[str]:
    """Return the names of the stores in glance's option ``enabled_backends`` that keep images in a folder."""
    pairs = (pair.strip().partition(":") for pair in str(enabled).split(","))
    return [name for name, _, kind in pairs if kind.strip() == "file"]


class FilterModule:
    """The filters for the roles of services."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "service_record": service_record,
            "url_host": bracketed,
            "expected_connections": expected_connections,
            "service_hosts": service_hosts,
            "file_backends": file_backends,
        }
