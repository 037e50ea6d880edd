"""Which hosts a backup and a restore ask, which one is copied, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils import backup

DOCUMENTATION = r"""
name: backup_choice
short_description: Which database host a backup copies
description:
  - Decides from the results of M(grove.wsgi.database_backup) on all hosts. The variable C(__database_backup_state) of a
    host has them. A host without it is one that the run does not reach.
options:
  _input:
    description: The database hosts, in their order.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  kind:
    description: The kind of the server.
    type: str
    required: true
"""

RETURN = r"""
_value:
  description: C(host) and C(problems).
  type: dict
"""

STATE = "__database_backup_state"
SERVICES = "wsgi_services"
Groups = Mapping[str, Sequence[str]]
Variables = Mapping[str, Mapping[str, Any]]


def keystone_hosts(groups: Groups, hostvars: Variables) -> list[str]:
    """Return the hosts whose services have keystone."""
    return [
        host
        for host in groups.get("wsgi", ())
        if host in hostvars
        and "keystone" in (str(role).rpartition(".")[2] for role in hostvars[host].get(SERVICES) or ())
    ]


def backup_hosts(groups: Groups, hostvars: Variables) -> list[str]:
    """Return the database hosts and those with keystone; without a database host, the controller, to refuse that.

    Before the first play, Ansible has no variables of hosts. Then every API host counts, and the tasks choose.
    """
    databases = list(groups.get("database", ()))
    services = keystone_hosts(groups, hostvars) if hostvars else list(groups.get("wsgi", ()))
    return list(dict.fromkeys([*databases, *services])) if databases else ["localhost"]


def backup_choice(hosts: Sequence[str], hostvars: Variables, kind: str) -> dict[str, Any]:
    """Return the host that is copied, and what is wrong."""
    host, problems = backup.choose(hosts, _states(hosts, hostvars), kind)
    return {"host": host, "problems": problems}


def restore_problems(hosts: Sequence[str], hostvars: Variables, kind: str, read: Mapping[str, Any]) -> list[str]:
    """Return what stands against a restore. read: what M(grove.wsgi.backup_folder) returned of the backup."""
    manifest = backup.Manifest(**read["manifest"])
    name = str(read["folder"]).rpartition("/")[2]
    return backup.restore_problems(hosts, _states(hosts, hostvars), kind, manifest, name)


def _states(hosts: Sequence[str], hostvars: Variables) -> dict[str, Mapping[str, Any]]:
    return {host: hostvars[host][STATE]["server"] for host in hosts if "server" in (hostvars[host].get(STATE) or {})}


class FilterModule:
    """Filters of the playbooks ``backup`` and ``restore``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "backup_hosts": backup_hosts,
            "keystone_hosts": keystone_hosts,
            "backup_choice": backup_choice,
            "restore_problems": restore_problems,
        }
