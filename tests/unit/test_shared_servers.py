"""The addresses of the APIs and of the cache, on one host and behind load balancers."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.filter.addresses import FilterModule
from ansible_collections.grove.wsgi.plugins.plugin_utils import shared_servers

GROUPS = {"load_balancers": ["lb1"], "wsgi": ["api1", "api2"], "cache": ["api1", "api2", "mem1"]}
HOSTS: dict[str, dict[str, Any]] = {
    "lb1": {"ansible_host": "192.0.2.11"},
    "api1": {"ansible_host": "api1.example.org", "load_balancer_host_address": "192.0.2.21"},
    "api2": {"ansible_host": "192.0.2.22", "cache_host_address": "198.51.100.22", "cache_port": 11212},
    "mem1": {"ansible_host": "2001:db8::5"},
}


def test_one_host_has_its_own() -> None:
    alone = {"wsgi": ["api1"], "cache": ["api1"]}
    assert shared_servers.api_address(alone, HOSTS) == "127.0.0.1"
    assert shared_servers.cache_addresses(alone, HOSTS) == ["127.0.0.1:11211"]
    assert shared_servers.cache_listen(alone, "api1", HOSTS) == ["127.0.0.1"]


def test_apis_are_reached_at_the_load_balancers() -> None:
    assert shared_servers.api_address(GROUPS, HOSTS) == "192.0.2.11"
    shared = {**HOSTS, "lb1": {"ansible_host": "192.0.2.11", "load_balancer_address": "[2001:db8::9]"}}
    assert shared_servers.api_address(GROUPS, shared) == "2001:db8::9"


def test_all_api_hosts_share_the_group_cache() -> None:
    expected = ["192.0.2.21:11211", "198.51.100.22:11212", "[2001:db8::5]:11211"]
    assert shared_servers.cache_addresses(GROUPS, HOSTS) == expected
    assert shared_servers.cache_listen(GROUPS, "api1", HOSTS) == ["127.0.0.1", "192.0.2.21"]
    assert shared_servers.cache_listen(GROUPS, "api2", HOSTS) == ["127.0.0.1", "198.51.100.22"]
    assert shared_servers.cache_listen(GROUPS, "lb1", HOSTS) == ["127.0.0.1"]


def test_without_the_group_cache_nothing_is_cached() -> None:
    """A cache of each host would keep what another host has taken away."""
    assert shared_servers.cache_addresses({**GROUPS, "cache": []}, HOSTS) == []


@pytest.mark.parametrize("filter_name", ["api_address", "cache_addresses"])
def test_a_host_without_an_address_is_named(filter_name: str) -> None:
    nameless = {host: {"ansible_host": f"{host}.example.org"} for host in HOSTS}
    host, variable = ("lb1", "load_balancer_host_address") if filter_name == "api_address" else ("api1", "cache_host")
    with pytest.raises(AnsibleFilterError, match=rf"host {host}: .*set {variable}"):
        FilterModule().filters()[filter_name](GROUPS, nameless)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.1:11211", "[::1]:11211", "::1", "localhost", "localhost:1"])
def test_a_loopback_address_is_another_cache_on_each_host(address: str) -> None:
    assert shared_servers.separate_caches([address, "192.0.2.1:11211", "mem1", "a b"], ["api1", "api2"]) == [address]
    assert shared_servers.separate_caches([address], ["api1"]) == []
