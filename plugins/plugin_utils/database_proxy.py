"""The address of the load balancers on which clients reach a Galera cluster, and what is behind it.

An inventory has it where the group ``database`` has several hosts and the group ``load_balancers`` has one or more.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils import galera
from ansible_collections.grove.wsgi.plugins.plugin_utils.balancing import (
    API_HOSTS,
    BALANCERS,
    SHARED,
    AddressError,
    host_address,
)

PORT, SERVER_PORT, HEALTH_PORT = "load_balancer_database_port", "database_port", "database_health_port"
"""The variables with the port of HAProxy, of the servers, and of their answers about their health."""
PORTS = {PORT: 3306, SERVER_PORT: 3306, HEALTH_PORT: 9120}
"""What counts without a variable. The roles have the same defaults, which other hosts do not see."""
LOCAL_PORTS = {"mariadb": 3306, "postgresql": 5432}
"""The port of a server on the API host itself, by its kind."""
KIND, LISTEN, STATISTICS = "openstack_database_kind", "database_listen", "load_balancer_statistics"
LOOPBACK = "127.0.0.1"

Groups = Mapping[str, Sequence[str]]
Variables = Mapping[str, Mapping[str, Any]]


def is_shared(groups: Groups, hostvars: Variables) -> bool:
    """Return whether clients reach the database hosts through the load balancers."""
    hosts = list(groups.get(galera.GROUP) or ())
    kinds = {str(hostvars[host].get(KIND) or "mariadb") for host in hosts if host in hostvars}
    return len(hosts) > 1 and bool(groups.get(BALANCERS)) and kinds <= {"mariadb"}


def address(groups: Groups, hostvars: Variables, kind: str = "mariadb") -> str:
    """Return the address and port on which the services reach their database server.

    It is the load balancers' address for a cluster behind load balancers, and the loopback address otherwise. Raises
    AddressError where the load balancer has no address.
    """
    if not is_shared(groups, hostvars):
        return f"{LOOPBACK}:{LOCAL_PORTS.get(kind, LOCAL_PORTS['mariadb'])}"
    first = groups[BALANCERS][0]
    host = str(hostvars[first].get(SHARED) or "").strip("[]") or host_address(first, hostvars[first])
    return f"[{host}]:{_port(hostvars[first], PORT)}" if ":" in host else f"{host}:{_port(hostvars[first], PORT)}"


def listen(groups: Groups, host: str, hostvars: Variables) -> str:
    """Return the addresses on which the server of a database host listens. Raises AddressError where it has none."""
    if host in (groups.get(galera.GROUP) or ()) and is_shared(groups, hostvars):
        return f"{LOOPBACK},{_database_address(host, hostvars)}"
    return LOOPBACK


def askers(groups: Groups, host: str, hostvars: Variables) -> list[str]:
    """Return the addresses that may ask a database host for its health: those of the load balancers, and its own."""
    if host not in (groups.get(galera.GROUP) or ()) or not is_shared(groups, hostvars):
        return []
    return [
        *(host_address(balancer, hostvars[balancer]) for balancer in groups[BALANCERS]),
        _database_address(host, hostvars),
    ]


def proxy(groups: Groups, hostvars: Variables) -> dict[str, Any]:
    """Return what HAProxy does for the database: ``port``, ``clients`` and ``servers``; empty where it does nothing.

    The servers stand in the order of the group. The first one that is well gets all connections.
    """
    if not is_shared(groups, hostvars):
        return {}
    return {
        "port": _port(hostvars[groups[BALANCERS][0]], PORT),
        "clients": [host_address(host, hostvars[host]) for host in groups.get(API_HOSTS) or ()],
        "servers": [
            {
                "name": host,
                "address": _database_address(host, hostvars),
                "port": _port(hostvars[host], SERVER_PORT),
                "health": _port(hostvars[host], HEALTH_PORT),
            }
            for host in groups[galera.GROUP]
        ],
    }


def problems(groups: Groups, hostvars: Variables) -> list[str]:
    """Return what is wrong with the hosts and variables of a cluster behind load balancers."""
    if not is_shared(groups, hostvars):
        return []
    balancers, hosts = groups[BALANCERS], groups[galera.GROUP]
    found = [
        f"host {host}: it is in the groups {BALANCERS} and {galera.GROUP}, so that HAProxy and MariaDB would listen on"
        " the same port; give the load balancer a host of its own"
        for host in balancers
        if host in hosts
    ]
    ports = {host: _port(hostvars[host], PORT) for host in balancers}
    found += [
        f"variable {PORT}: found {ports[balancers[0]]} on {balancers[0]} and {port} on {host}; clients reach all load"
        " balancers on one port, so write it once for the group"
        for host, port in ports.items()
        if port != ports[balancers[0]]
    ]
    for host, port in ports.items():
        if str(hostvars[host].get(STATISTICS) or "").rpartition(":")[2] == str(port):
            found.append(
                f"variable {PORT}: found {port} on {host}, which is the port of {STATISTICS}; choose another one for"
                " one of them"
            )
    return found + _host_problems(balancers, hosts, hostvars)


def _host_problems(balancers: Sequence[str], hosts: Sequence[str], hostvars: Variables) -> list[str]:
    found = []
    own = {host: _address_or_none(host, hostvars) for host in balancers}
    for host in hosts:
        try:
            database = _database_address(host, hostvars)
        except AddressError as error:
            found.append(str(error))
            continue
        found += [
            f"hosts {balancer} and {host}: found the addresses {other} and {database}; a load balancer reaches the"
            f" database hosts in one version of IP, so set {galera.ADDRESS} for {host}"
            for balancer, other in own.items()
            if other and ipaddress.ip_address(other).version != ipaddress.ip_address(database).version
        ]
        written = [part.strip() for part in str(hostvars[host].get(LISTEN) or "").split(",")]
        if any(written) and not {database, "*", "0.0.0.0", "::"} & set(written):
            found.append(
                f"variable {LISTEN}: found {', '.join(written)} on {host}, where no load balancer reaches the server;"
                f" it has to have {database}, such as {LOOPBACK},{database}, or leave the variable out"
            )
        if _port(hostvars[host], HEALTH_PORT) == _port(hostvars[host], SERVER_PORT):
            found.append(
                f"variable {HEALTH_PORT}: found {_port(hostvars[host], HEALTH_PORT)} on {host}, which is the port of"
                f" the server; choose another one, such as {HEALTH_PORT}: {PORTS[HEALTH_PORT]}"
            )
    return found


def record_problems(plan: Mapping[str, Any], database: Mapping[str, Any]) -> list[str]:
    """Return which records listen on the port of the database. plan: of ``balancing.plan``. database: of ``proxy``."""
    return [
        f"record {backend['app']}, key listen: found the port {database['port']}, on which the load balancers answer"
        f" clients of the database; choose another one, or set {PORT}"
        for backend in plan["backends"]
        if database and any(server["port"] == database["port"] for server in backend["servers"])
    ]


def _database_address(host: str, hostvars: Variables) -> str:
    return host_address(host, hostvars[host], galera.ADDRESS, f"the hosts of the group {galera.GROUP}")


def _address_or_none(host: str, hostvars: Variables) -> str | None:
    """Return a load balancer's address, or None where it has none: ``balancing.group_problems`` says so."""
    try:
        return host_address(host, hostvars[host])
    except AddressError:
        return None


def _port(variables: Mapping[str, Any], name: str) -> int:
    """Return a port; the default in the place of a value that is none, which the check of variables refuses."""
    text = str(variables.get(name) or "")
    return int(text) if text.isdigit() else PORTS[name]
