"""The address of the load balancers for clients of the database: where there is one, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.action.check_variables import options_of
from ansible_collections.grove.wsgi.plugins.filter.addresses import FilterModule
from ansible_collections.grove.wsgi.plugins.plugin_utils import database_proxy

GROUPS = {"load_balancers": ["lb1", "lb2"], "wsgi": ["api1", "api2"], "database": ["db1", "db2", "db3"]}
HOSTS: dict[str, dict[str, Any]] = {
    "lb1": {"ansible_host": "192.0.2.11", "load_balancer_address": "192.0.2.10"},
    "lb2": {"ansible_host": "192.0.2.12", "load_balancer_address": "192.0.2.10"},
    "api1": {"ansible_host": "192.0.2.21"},
    "api2": {"ansible_host": "192.0.2.22"},
    "db1": {"ansible_host": "192.0.2.31"},
    "db2": {"ansible_host": "192.0.2.32"},
    "db3": {"ansible_host": "db3.example.org", "database_host_address": "192.0.2.33"},
}


def changed(**hosts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the variables of all hosts with some changes."""
    return {name: {**variables, **hosts.get(name, {})} for name, variables in HOSTS.items()}


def everywhere(*names: str, **variables: Any) -> dict[str, dict[str, Any]]:
    return changed(**dict.fromkeys(names, variables))


def test_clients_of_a_cluster_reach_it_at_the_load_balancers() -> None:
    assert database_proxy.address(GROUPS, HOSTS) == "192.0.2.10:3306"
    assert database_proxy.proxy(GROUPS, HOSTS) == {
        "port": 3306,
        "clients": ["192.0.2.21", "192.0.2.22"],
        "servers": [
            {"name": name, "address": address, "port": 3306, "health": 9120}
            for name, address in (("db1", "192.0.2.31"), ("db2", "192.0.2.32"), ("db3", "192.0.2.33"))
        ],
    }
    assert database_proxy.problems(GROUPS, HOSTS) == []
    assert database_proxy.listen(GROUPS, "db3", HOSTS) == "127.0.0.1,192.0.2.33"
    assert database_proxy.askers(GROUPS, "db1", HOSTS) == ["192.0.2.11", "192.0.2.12", "192.0.2.31"]


@pytest.mark.parametrize(
    "groups",
    [
        {"database": ["db1"]},
        {"database": []},
        {"load_balancers": []},
    ],
)
def test_one_server_or_no_load_balancer_has_no_such_address(groups: dict[str, list[str]]) -> None:
    both = {**GROUPS, **groups}
    for kind, port in (("mariadb", 3306), ("postgresql", 5432)):
        assert database_proxy.address(both, HOSTS, kind) == f"127.0.0.1:{port}"
    assert database_proxy.proxy(both, HOSTS) == {}
    assert database_proxy.problems(both, HOSTS) == []
    assert database_proxy.listen(both, "db1", HOSTS) == "127.0.0.1"
    assert database_proxy.askers(both, "db1", HOSTS) == []
    assert database_proxy.address({}, {}) == "127.0.0.1:3306"


def test_a_load_balancer_without_a_shared_address_gives_its_own() -> None:
    one = {**GROUPS, "load_balancers": ["lb1"]}
    hosts = everywhere("lb1", load_balancer_address="", load_balancer_database_port=3307)
    assert database_proxy.address(one, hosts) == "192.0.2.11:3307"
    hosts = everywhere("lb1", load_balancer_address="[2001:db8::9]")
    assert database_proxy.address(one, hosts) == "[2001:db8::9]:3306"


def test_postgresql_has_no_cluster() -> None:
    hosts = everywhere("db1", "db2", "db3", openstack_database_kind="postgresql")
    assert database_proxy.proxy(GROUPS, hosts) == {}


def test_ports_of_the_hosts_count() -> None:
    hosts = changed(db2={"database_port": 3310, "database_health_port": 9300})
    server = database_proxy.proxy(GROUPS, hosts)["servers"][1]
    assert (server["port"], server["health"]) == (3310, 9300)


@pytest.mark.parametrize(
    ("groups", "hosts", "words"),
    [
        ({"database": ["lb1", "db2", "db3"]}, {}, ["host lb1", "load_balancers and database"]),
        ({}, {"lb2": {"load_balancer_database_port": 3307}}, ["load_balancer_database_port", "3307 on lb2"]),
        (
            {},
            {"lb1": {"load_balancer_statistics": "127.0.0.1:3306"}},
            ["load_balancer_database_port: found 3306 on lb1", "load_balancer_statistics"],
        ),
        ({}, {"db3": {"database_host_address": ""}}, ["host db3", "database_host_address"]),
        ({"load_balancers": ["lb1"]}, {"db2": {"ansible_host": "2001:db8::2"}}, ["lb1 and db2", "one version of IP"]),
        ({}, {"db1": {"database_listen": "127.0.0.1"}}, ["database_listen: found 127.0.0.1 on db1", "192.0.2.31"]),
        ({}, {"db1": {"database_health_port": 3306}}, ["database_health_port: found 3306 on db1"]),
    ],
)
def test_what_is_refused(groups: dict[str, list[str]], hosts: dict[str, dict[str, Any]], words: list[str]) -> None:
    (problem,) = database_proxy.problems({**GROUPS, **groups}, changed(**hosts))
    assert all(word in problem for word in words), problem


@pytest.mark.parametrize("listen", ["0.0.0.0", "*", "::", "192.0.2.31", "127.0.0.1, 192.0.2.31"])
def test_a_server_may_listen_on_more(listen: str) -> None:
    assert database_proxy.problems(GROUPS, changed(db1={"database_listen": listen})) == []


def test_a_record_on_the_port_of_the_database_is_refused() -> None:
    plan = {
        "backends": [
            {"app": "shop", "servers": [{"name": "api1", "port": 3306}]},
            {"app": "blog", "servers": [{"name": "api1", "port": 8080}]},
        ]
    }
    (problem,) = database_proxy.record_problems(plan, database_proxy.proxy(GROUPS, HOSTS))
    assert problem.startswith("record shop, key listen: found the port 3306")
    assert database_proxy.record_problems(plan, {}) == []


def test_a_load_balancer_without_an_address_is_named() -> None:
    hosts = {**HOSTS, "lb1": {}}
    with pytest.raises(AnsibleFilterError, match="host lb1"):
        FilterModule().filters()["database_address"](GROUPS, hosts)
    # The check of the groups says so, too.
    assert database_proxy.problems(GROUPS, hosts) == []


def test_the_defaults_are_those_of_the_roles() -> None:
    options = options_of(("load_balancer", "database"))
    assert options[database_proxy.PORT]["default"] == database_proxy.PORTS[database_proxy.PORT]
    assert options[database_proxy.HEALTH_PORT]["default"] == database_proxy.PORTS[database_proxy.HEALTH_PORT]
    assert str(database_proxy.PORTS[database_proxy.SERVER_PORT]) in options[database_proxy.SERVER_PORT]["default"]
