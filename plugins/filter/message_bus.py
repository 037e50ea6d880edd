"""The message broker hosts of an inventory that make a RabbitMQ cluster."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.module_utils.openstack.bus_member import state_from
from ansible_collections.grove.wsgi.plugins.plugin_utils import members, message_bus
from ansible_collections.grove.wsgi.plugins.plugin_utils.balancing import AddressError, host_address

DOCUMENTATION = r"""
name: message_bus_plan
short_description: Which message broker host begins a RabbitMQ cluster, and which ones join it
description:
  - Decides from the results of M(grove.wsgi.message_bus_member) on all hosts. The fact C(__message_bus_state) of a host
    has them. A host without it is one that the run does not reach.
options:
  _input:
    description: The message broker hosts, in their order.
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
  description: C(kind), C(problems), C(first), C(order), C(join), C(sizes), C(forget) and C(helper).
  type: dict
"""

STATE, PLAN = "__message_bus_state", "__message_bus_plan"
"""Facts of a message broker host: the registered result of the module, and the plan."""
PORT = 5672
Variables = Mapping[str, Mapping[str, Any]]


def _address(host: str, hostvars: Variables) -> str:
    address = host_address(host, hostvars[host], message_bus.ADDRESS, "the hosts of the group message_bus")
    if ipaddress.ip_address(address).version != 4:
        raise AddressError(
            f"host {host}: found the address {address}, and the hosts of a RabbitMQ cluster need IPv4 addresses; set"
            f" {message_bus.ADDRESS} for {host}, such as {message_bus.ADDRESS}: 192.0.2.41"
        )
    return address


def message_bus_addresses(hosts: Sequence[str], hostvars: Variables) -> dict[str, str]:
    """Return the addresses of message broker hosts, by their names. Raises AnsibleFilterError where one has none."""
    try:
        return {host: _address(host, hostvars) for host in hosts}
    except AddressError as error:
        raise AnsibleFilterError(str(error)) from None


def message_bus_peers(hosts: Sequence[str], host: str, hostvars: Variables) -> dict[str, str]:
    """Return the addresses of the other message broker hosts, by their names."""
    return {name: address for name, address in message_bus_addresses(hosts, hostvars).items() if name != host}


def message_bus_servers(hosts: Sequence[str], hostvars: Variables) -> list[str]:
    """Return the addresses with ports that clients use: those of a cluster, or the loopback address for one host."""
    if len(hosts) < 2:
        return [f"127.0.0.1:{PORT}"]
    addresses = message_bus_addresses(hosts, hostvars)
    return [f"{addresses[host]}:{hostvars[host].get('message_bus_port') or PORT}" for host in hosts]


def message_bus_address_problems(hosts: Sequence[str], hostvars: Variables) -> list[str]:
    """Return what is wrong with the addresses, before a host is asked."""
    problems = []
    for host in hosts:
        try:
            _address(host, hostvars)
        except AddressError as error:
            problems.append(str(error))
    return problems


def message_bus_plan(
    hosts: Sequence[str], hostvars: Variables, lost: str = "", discard: bool = False, cookie: str = ""
) -> dict[str, Any]:
    """Return the plan for message broker hosts. lost: names with commas between them. cookie: the members' secret."""
    states = {
        host: state_from(hostvars[host][STATE]["message_bus"])
        for host in hosts
        if "message_bus" in (hostvars[host].get(STATE) or {})
    }
    names = [name.strip() for name in lost.split(",") if name.strip()]
    found = message_bus.Hosts(message_bus_addresses(hosts, hostvars), states, names, discard, cookie)
    return dataclasses.asdict(found.plan())


def message_bus_order(hosts: Sequence[str], hostvars: Variables) -> list[str]:
    """Return the hosts in the order in which they change. A broker without a cluster has no plan."""
    return members.order(hosts, hostvars, PLAN)


class FilterModule:
    """Filters of the role ``message_bus``, and of the playbook ``infrastructure``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "message_bus_plan": message_bus_plan,
            "message_bus_address_problems": message_bus_address_problems,
            "message_bus_addresses": message_bus_addresses,
            "message_bus_peers": message_bus_peers,
            "message_bus_servers": message_bus_servers,
            "message_bus_order": message_bus_order,
        }
