"""The addresses that the services of a control plane use on several hosts: of the APIs, and of the cache."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.balancing import (
    ADDRESS,
    BALANCERS,
    SHARED,
    AddressError,
    host_address,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.addresses import bracketed, parse_address
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.errors import ControlPlaneError

CACHE = "cache"
"""The group with the hosts of memcached."""
CACHE_ADDRESS = "cache_host_address"
"""The variable with the address of such a host; without it, its address in the fleet counts."""
CACHE_PORT, DEFAULT_CACHE_PORT = "cache_port", 11211
LOOPBACK = "127.0.0.1"

Groups = Mapping[str, Sequence[str]]
Variables = Mapping[str, Mapping[str, Any]]


def api_address(groups: Groups, hostvars: Variables) -> str:
    """Return the address of all APIs: that of the load balancers, or the loopback address without them.

    Raises AddressError where the load balancer has no address.
    """
    if not groups.get(BALANCERS):
        return LOOPBACK
    first = groups[BALANCERS][0]
    return str(hostvars[first].get(SHARED) or "").strip("[]") or host_address(first, hostvars[first])


def cache_addresses(groups: Groups, hostvars: Variables) -> list[str]:
    """Return the addresses and ports of the memcached servers that all services share.

    Without load balancers, that is the server of the host itself. Raises AddressError where a host has no address.
    """
    if not groups.get(BALANCERS):
        return [f"{LOOPBACK}:{DEFAULT_CACHE_PORT}"]
    return [
        f"{bracketed(_cache_address(host, hostvars))}:{hostvars[host].get(CACHE_PORT) or DEFAULT_CACHE_PORT}"
        for host in groups.get(CACHE) or ()
    ]


def cache_listen(groups: Groups, host: str, hostvars: Variables) -> list[str]:
    """Return the addresses on which the memcached of a host listens. Raises AddressError where it has none."""
    if not groups.get(BALANCERS) or host not in (groups.get(CACHE) or ()):
        return [LOOPBACK]
    return [LOOPBACK, _cache_address(host, hostvars)]


def separate_caches(addresses: Iterable[str], hosts: Sequence[str]) -> list[str]:
    """Return those of the ``addresses`` that stand for another server on each of several ``hosts``."""
    return [address for address in addresses if _is_loopback(address)] if len(hosts) > 1 else []


def _cache_address(host: str, hostvars: Variables) -> str:
    name = CACHE_ADDRESS if hostvars[host].get(CACHE_ADDRESS) or not hostvars[host].get(ADDRESS) else ADDRESS
    try:
        return host_address(host, hostvars[host], name, f"the hosts of the group {CACHE}")
    except AddressError as error:
        raise AddressError(f"{error}; the services on the API hosts share this cache") from None


def _is_loopback(address: str) -> bool:
    try:
        host = parse_address("", address, DEFAULT_CACHE_PORT).host
    except ControlPlaneError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
