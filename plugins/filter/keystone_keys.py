"""The hosts with keystone, and the keys that they share."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.openstack.key_repository import REPOSITORIES, STAGED
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack import keystone_keys

DOCUMENTATION = r"""
name: keystone_keys_plan
short_description: Which host's keys the hosts with keystone get
description:
  - Decides from the results of M(grove.wsgi.keystone_keys) on all hosts. The fact C(__keystone_keys_read) of a host has
    them. A host without it is one that the run does not reach.
options:
  _input:
    description: The hosts with keystone, in their order.
    type: list
    elements: str
    required: true
  hostvars:
    description: The variables of all hosts.
    type: dict
    required: true
  folder:
    description: The folder of keystone's state, for messages.
    type: str
    required: true
"""

RETURN = r"""
_value:
  description: C(sources), C(changing) and C(problems).
  type: dict
"""

READ = "__keystone_keys_read"
"""What a host has registered of the module."""
ACTIVE, LEAST = "max_active_keys", keystone_keys.LEAST_ACTIVE
"""keystone's option with the number of keys that stay after a rotation; its default is the least number for several
hosts."""
Variables = Mapping[str, Mapping[str, Any]]


def keystone_keys_plan(hosts: Sequence[str], hostvars: Variables, folder: str) -> dict[str, Any]:
    """Return the plan before a deployment."""
    return dataclasses.asdict(_hosts(hosts, hostvars, folder).plan())


def keystone_rotation_plan(hosts: Sequence[str], hostvars: Variables, folder: str) -> dict[str, Any]:
    """Return the plan of a rotation, with ``action``."""
    return dataclasses.asdict(_hosts(hosts, hostvars, folder).rotation())


def keystone_keys_material(
    results: Iterable[Mapping[str, Any]], sources: Mapping[str, str]
) -> dict[str, Mapping[str, str]]:
    """Return the keys that a host gets.

    results: of the module with O(state=copied), each with ``item``, its host. sources: those of the plan.
    """
    by_host = {one["item"]: one.get("material") or {} for one in results}
    return {name: by_host[host][name] for name, host in sources.items() if name in by_host.get(host, {})}


def keystone_keys_of_backup(
    contents: Mapping[str, str], hosts: Sequence[str], hostvars: Variables
) -> dict[str, dict[str, str]]:
    """Return the keys of a backup that hosts get: those of the repositories that none of them has.

    contents: the keys in Base64, by their paths in keystone's folder.
    """
    read = _hosts(hosts, hostvars, "").read.values()
    owned = {name for host in read for name, keys in host.keys.items() if STAGED in keys}
    found: dict[str, dict[str, str]] = {}
    for path, content in contents.items():
        name, _, number = path.partition("/")
        if name in REPOSITORIES and number.isdecimal() and name not in owned:
            found.setdefault(name, {})[number] = base64.b64decode(content).decode("ascii")
    return found


def keystone_config_problems(config: object, hosts: Sequence[str]) -> list[str]:
    """Return which options of keystone.conf do not fit several hosts. config: what the operator has written."""
    sections = config if isinstance(config, Mapping) else {}
    problems = []
    active = _option(sections, "fernet_tokens", ACTIVE)
    if active is not None and not (str(active).isdecimal() and int(active) >= LEAST):
        problems.append(
            f"keystone_config.fernet_tokens.{ACTIVE}: found {active}; with keystone on {', '.join(hosts)} it has to be"
            f" {LEAST} or more, since a host goes on making tokens with a key while another one has the next"
        )
    for section in ("fernet_tokens", "fernet_receipts", "credential"):
        folder = _option(sections, section, "key_repository")
        if folder is not None:
            problems.append(
                f"keystone_config.{section}.key_repository: found {folder}; with keystone on {', '.join(hosts)}, Grove"
                " keeps the keys of its own folders the same, so leave the option out"
            )
    provider = _option(sections, "token", "provider")
    if provider not in (None, "fernet"):
        problems.append(
            f"keystone_config.token.provider: found {provider}; with keystone on {', '.join(hosts)} it has to be"
            " fernet, whose keys Grove gives to all hosts, so leave the option out"
        )
    return problems


def keystone_active_keys(config: object) -> int:
    """Return how many keys stay after a rotation, with the staged one."""
    active = _option(config if isinstance(config, Mapping) else {}, "fernet_tokens", ACTIVE)
    return LEAST if active is None else int(active)


def _option(sections: Mapping[str, Any], section: str, option: str) -> Any:
    options = sections.get(section)
    return options.get(option) if isinstance(options, Mapping) else None


def _hosts(hosts: Sequence[str], hostvars: Variables, folder: str) -> keystone_keys.Hosts:
    read = {
        host: keystone_keys.Host(
            {name: {int(number): text for number, text in keys.items()} for name, keys in result["keys"].items()},
            bool(result["open"]),
        )
        for host in hosts
        if "open" in (result := hostvars[host].get(READ) or {})
    }
    return keystone_keys.Hosts(hosts, read, folder)


class FilterModule:
    """Filters of the role ``keystone``, and of the playbooks ``backup``, ``restore`` and ``rotate_fernet``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "keystone_keys_plan": keystone_keys_plan,
            "keystone_rotation_plan": keystone_rotation_plan,
            "keystone_keys_material": keystone_keys_material,
            "keystone_keys_of_backup": keystone_keys_of_backup,
            "keystone_config_problems": keystone_config_problems,
            "keystone_active_keys": keystone_active_keys,
        }
