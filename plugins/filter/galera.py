"""The database hosts of an inventory that make a Galera cluster."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import Position, State
from ansible_collections.grove.wsgi.plugins.plugin_utils import galera, members
from ansible_collections.grove.wsgi.plugins.plugin_utils import galera_verbs as verbs
from ansible_collections.grove.wsgi.plugins.plugin_utils.balancing import AddressError, host_address

DOCUMENTATION = r"""
name: galera_plan
short_description: Which database host starts a Galera cluster, and which ones join it
description:
  - Decides from the results of M(grove.wsgi.galera) on all hosts. The facts C(__database_state) and
    C(__database_position) of a host have them. A host without C(__database_state) is one that the run does not reach.
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
"""

RETURN = r"""
_value:
  description: C(kind), C(problems), C(first), C(reason), C(order) and C(sizes).
  type: dict
"""

STATE, POSITION, PLAN = "__database_state", "__database_position", "__database_plan"
"""Facts of a database host: the registered results of the module, and the plan."""
SEEN = "__load_balancer_database_seen"
"""What a load balancer registers of the module load_balancer_database."""
Variables = Mapping[str, Mapping[str, Any]]


def database_addresses(hosts: Sequence[str], hostvars: Variables) -> dict[str, str]:
    """Return the addresses of database hosts, by their names. Raises AddressError where one has none."""
    return {
        host: host_address(host, hostvars[host], galera.ADDRESS, "the hosts of the group database") for host in hosts
    }


def member_addresses(hosts: Sequence[str], hostvars: Variables) -> dict[str, str]:
    """Return the addresses as they stand in the configuration of MariaDB."""
    return {
        host: f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
        for host, address in database_addresses(hosts, hostvars).items()
    }


def database_peers(hosts: Sequence[str], host: str, hostvars: Variables) -> dict[str, str]:
    """Return the addresses of the other database hosts, by their names; none where they have faults."""
    try:
        return {name: address for name, address in database_addresses(hosts, hostvars).items() if name != host}
    except AddressError:
        return {}


def galera_address_problems(hosts: Sequence[str], hostvars: Variables) -> list[str]:
    """Return what is wrong with the addresses, before a host is asked."""
    problems = []
    for host in hosts:
        try:
            database_addresses([host], hostvars)
        except AddressError as error:
            problems.append(str(error))
    return problems


def galera_plan(hosts: Sequence[str], hostvars: Variables, lost: str = "") -> dict[str, Any]:
    """Return the plan for database hosts. lost: names with commas between them."""
    states = _states(hosts, hostvars)
    positions = {
        host: Position(**hostvars[host][POSITION]["position"])
        for host in hosts
        if "position" in (hostvars[host].get(POSITION) or {})
    }
    plan = galera.decide(hosts, database_addresses(hosts, hostvars), states, members.names(lost), positions or None)
    return dataclasses.asdict(plan)


def galera_verb_plan(
    hosts: Sequence[str], hostvars: Variables, verb: str, named: Sequence[str], balancers: Sequence[str], lost: str = ""
) -> dict[str, Any]:
    """Return the plan of a verb for the database hosts that are named. balancers: the load balancers in front."""
    found = verbs.Hosts(
        database_addresses(hosts, hostvars),
        _states(hosts, hostvars),
        members.names(lost),
        {one: _seen(hostvars[one].get(SEEN) or {}) for one in balancers},
    )
    decisions = {"replace": found.replace, "scale_out": found.grow, "scale_in": found.shrink}
    return dataclasses.asdict(decisions[verb](named))


def _states(hosts: Sequence[str], hostvars: Variables) -> dict[str, State]:
    """Return the states that the module ``galera`` has read on those hosts that the run has reached."""
    return {
        host: galera.state_from(hostvars[host][STATE]["galera"])
        for host in hosts
        if "galera" in (hostvars[host].get(STATE) or {})
    }


def _seen(result: Mapping[str, Any]) -> dict[str, verbs.Seen]:
    return {name: verbs.Seen(**one) for name, one in (result.get("servers") or {}).items()}


def database_order(hosts: Sequence[str], hostvars: Variables) -> list[str]:
    """Return the database hosts in the order in which they change. A server without a cluster has no plan."""
    return members.order(hosts, hostvars, PLAN)


def reached_database_hosts(hosts: Sequence[str], hostvars: Variables) -> list[str]:
    """Return those database hosts whose state this run has read."""
    return list(_states(hosts, hostvars)) if hostvars else []


class FilterModule:
    """Filters of the role ``database``, and of the playbook ``infrastructure``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "reached_database_hosts": reached_database_hosts,
            "galera_plan": galera_plan,
            "galera_verb_plan": galera_verb_plan,
            "galera_address_problems": galera_address_problems,
            "member_addresses": member_addresses,
            "database_addresses": database_addresses,
            "database_peers": database_peers,
            "database_order": database_order,
        }
