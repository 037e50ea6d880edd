"""Hostile values of the roles' variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.action.check_variables import options_of
from ansible_collections.grove.wsgi.plugins.plugin_utils import variables
from ansible_collections.grove.wsgi.plugins.plugin_utils.reaching import address_remedy
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.limits import RANGES_OF_VARIABLES
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import Problems
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

ROLES = (
    "wsgi_app",
    "httpd",
    "mod_wsgi",
    "metrics",
    "uv",
    "database",
    "message_bus",
    "cache",
    "openstack_client",
    "load_balancer",
)
OPTIONS = options_of(ROLES)
REPOSITORY = Path(__file__).resolve().parents[2]


def keys(**values: Any) -> list[str]:
    problems = Problems()
    variables.check_variables(OPTIONS, values, problems)
    for problem in problems:
        assert all((problem.record, problem.key, problem.actual, problem.remedy))
        assert str(problem).isprintable()
    return [problem.key for problem in problems]


def test_every_rule_belongs_to_a_variable() -> None:
    rules = (variables.TEXTS, variables.FIELDS, variables.OPTIONS, RANGES_OF_VARIABLES)
    assert {name for rule in rules for name in rule} <= set(options_of((*ROLES, "debian_packages")))


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_are_possible(role: str) -> None:
    defaults = yaml.safe_load((REPOSITORY / "roles" / role / "defaults" / "main.yml").read_text())
    assert keys(**{name: value for name, value in defaults.items() if "{{" not in str(value)}) == []


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("httpd_server_name", ["a b", "a\nInclude /etc/passwd", "${X}", "", '"', True, ["a"], "a..b"]),
        ("httpd_trusted_proxies", ["10.0.0.1", ["10.1.0.0/8"], ["all"], ["::1%x"], ["10.0.0.0/8' || true"], [3.5]]),
        ("httpd_load_balancers", ["10.0.0.1", ["lb1"], ["10.0.0.0/8"], ["10.0.0.1' || true || '"]]),
        ("load_balancer_host_address", ["lb1", "10.0.0.0/8", "10.0.0.1:80", ["10.0.0.1"]]),
        ("load_balancer_address", ["lb", "10.0.0.0/24", "10.0.0.1:80", "::1%x", ["10.0.0.1"]]),
        ("load_balancer_router_id", [0, 256, "a"]),
        ("load_balancer_listen", ["lb1", "0.0.0.0:80", "* x", "*\nbind"]),
        ("load_balancer_statistics", ["9119", "*:9119", "lb1:9119", "127.0.0.1:9119 x"]),
        ("load_balancer_database_port", [0, 65536, "mysql"]),
        ("database_health_port", [0, 65536, "http"]),
        ("load_balancer_max_connections", [0, "many", -1]),
        ("load_balancer_serial", [0, "all", 1.5]),
        ("load_balancer_drain", [0, 3601]),
        ("load_balancer_wait", [0, "60s"]),
        ("wsgi_app_traffic_role", ["../x", "a b", "-x"]),
        ("httpd_timeout", [None, 0, -1, "60s", 10**5000, 1.5, True, "٦٠", [60]]),
        ("httpd_log_days", ["14; rm -rf /", 0, -1]),
        ("httpd_threads_per_child", [-1, 20_001]),
        ("httpd_buffered_logs", ["maybe", 2, [True]]),
        ("httpd_status_group", ["a b", "-x", "A", "a" * 33, ["adm"]]),
        ("mod_wsgi_telemetry_interval", [0, 61, "5s"]),
        ("wsgi_services", ["telemetry", {"telemetry": 1}, ["../x"], ["a.b.c.d"], ["Nova"], [1]]),
        ("mod_wsgi_version", ["6.1.1; x", "latest", "../6", "", "6.1.1\n"]),
        ("mod_wsgi_source", ["git", ""]),
        ("mod_wsgi_python", ["python3", "-c", "/a b", "/usr/../bin/python3"]),
        ("uv_folder", ["/", "opt", "/opt/$(x)", "/opt/a\n"]),
        ("uv_ca_bundle", ["relative.crt", "/a\0"]),
        ("uv_environment", ["x", ["A=1"]]),
        ("wsgi_app_percent", [0, 101, "all"]),
        ("wsgi_app_tls_days", [0, 99_999]),
        ("wsgi_app_keep_releases", [-1]),
        ("database_listen", ["0.0.0.0; x", "a b", "", "127.0.0.1,,::1"]),
        ("database_port", [0, 65_536, "3306\n"]),
        ("database_databases", [["a b"], ["a;drop"], ["all"], [""], "nova"]),
        ("message_bus_listen", ["127.0.0.1 ", "[::1", "a\nb"]),
        ("message_bus_open_files", [0, "infinity"]),
        ("cache_listen", ["127.0.0.1", ["127.0.0.1 -vv"], [""]]),
        ("cache_port", [0]),
        ("openstack_client_cloud", ["a b", "", "a: {"]),
    ],
)
def test_a_value_that_no_consumer_can_read_is_refused(name: str, values: list[Any]) -> None:
    assert [keys(**{name: value}) for value in values] == [[name]] * len(values)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"uv_environment": {"A B": "x"}}, "uv_environment.A B"),
        ({"uv_environment": {"A": ["x"]}}, "uv_environment.A"),
        ({"database_config": {"max_connections": "5\nevil = 1"}}, "database_config.max_connections"),
        ({"database_config": {"a = b": 1}}, "database_config.a = b"),
        ({"message_bus_config": {"a": None}}, "message_bus_config.a"),
        ({"database_users": [{"name": "all", "service": "x"}]}, "database_users[0].name"),
        ({"database_users": [{"name": "x", "service": "a,b"}]}, "database_users[0].service"),
        ({"database_users": [{"name": "x", "service": "x", "host": "all all"}]}, "database_users[0].host"),
        ({"database_users": [{"name": "x", "service": "x", "password": "a\nb"}]}, "database_users[0].password"),
        ({"message_bus_users": [{"name": "-p", "vhosts": []}]}, "message_bus_users[0].name"),
        ({"message_bus_users": [{"name": "x", "vhosts": ["/", "a b"]}]}, "message_bus_users[0].vhosts"),
    ],
)
def test_a_field_that_no_consumer_can_read_is_refused(values: dict[str, Any], key: str) -> None:
    assert keys(**values) == [key]


@pytest.mark.parametrize("number", ["6", "6.0", "6.0.0", "6.0.4", "6.0.4.1"])
def test_a_mod_wsgi_that_corrupts_bodies_is_refused(number: str) -> None:
    assert keys(mod_wsgi_source="pypi", mod_wsgi_version=number) == ["mod_wsgi_version"]
    assert keys(mod_wsgi_source="package", mod_wsgi_version=number) == []


@pytest.mark.parametrize("number", ["4.9.4", "5.0.2", "6.0.5", "6.0.10", "6.1.1", "7"])
def test_another_mod_wsgi_is_possible(number: str) -> None:
    assert keys(mod_wsgi_source="pypi", mod_wsgi_version=number) == []


def test_the_package_of_mod_wsgi_has_one_python() -> None:
    assert keys(mod_wsgi_source="package", mod_wsgi_python="/opt/python/bin/python3") == ["mod_wsgi_python"]
    assert keys(mod_wsgi_source="pypi", mod_wsgi_python="/opt/python/bin/python3") == []
    assert keys(mod_wsgi_source="package", mod_wsgi_python="/usr/bin/python3") == []


@pytest.mark.parametrize(
    ("listen", "live", "expected"),
    [
        ("127.0.0.1:9117", "", []),
        ("[2001:db8::1]:9117", "[::1]:9118", []),
        ("0.0.0.0:9117", "127.9.9.9:9118", []),
        ("9117", "", ["metrics_listen"]),
        ("localhost:9117", "", ["metrics_listen"]),
        ("127.0.0.1:0", "", ["metrics_listen"]),
        ("127.0.0.1:65536", "", ["metrics_listen"]),
        ("127.0.0.1:9117 x", "", ["metrics_listen"]),
        ("127.0.0.1:9117", "0.0.0.0:9118", ["metrics_live"]),
        ("", "[2001:db8::1]:9118", ["metrics_listen", "metrics_live"]),
    ],
)
def test_the_metrics_have_an_address_and_a_port(listen: str, live: str, expected: list[str]) -> None:
    assert keys(httpd_metrics="yes", metrics_listen=listen, metrics_live=live) == expected
    assert keys(httpd_metrics="no", metrics_listen=listen, metrics_live=live) == []


def test_passwords_are_not_shown() -> None:
    problems = Problems()
    users = [{"name": "a b", "service": "x", "password": "sesame\n"}]
    for value in (users, "sesame", {"a": "sesame"}, [{"name": "x", "password": ["sesame", float("nan")]}]):
        variables.check_variables(OPTIONS, {"database_users": value}, problems)
    assert problems
    assert "sesame" not in str([problem for problem in problems if problem.actual != "'sesame' (a text)"])


@pytest.mark.parametrize(
    "values",
    [
        {
            "httpd_server_name": "web_1.example.org",
            "httpd_trusted_proxies": ["10.0.0.0/8", "::1"],
            "httpd_timeout": "60",
        },
        {"httpd_buffered_logs": "no", "uv_version": "0.13.9", "uv_environment": {"https_proxy": "http://a:1"}},
        {"database_listen": "*", "database_users": [{"name": "nova_2", "service": "nova", "host": "10.0.0.%"}]},
        {"database_listen": "127.0.0.1, ::1", "message_bus_users": [{"name": "x", "vhosts": ["/", "nova"]}]},
        {
            "database_config": {"log-bin": True, "shared_preload_libraries": "a,b", "x.y": 0.5},
            "cache_listen": ["db1", "::1"],
        },
    ],
)
def test_values_that_can_be_read_are_possible(values: dict[str, Any]) -> None:
    assert keys(**values) == []


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=2)
VALUES = st.recursive(
    LEAVES,
    lambda values: (
        st.lists(values, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), values, max_size=2)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("name", OPTIONS)
@profile(max_examples=15, deadline=None, derandomize=True)
@given(value=VALUES | st.lists(st.fixed_dictionaries({"name": VALUES, "host": VALUES}), max_size=2))
def test_every_value_is_refused_completely_or_possible(name: str, value: Any) -> None:
    keys(**{name: value})


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("[::1]", "write ::1 without brackets"),
        ("[fd00::12]:2222", "write fd00::12 without brackets, and ansible_port: 2222"),
        ("[web1]", "it has to be a host name or an address, without brackets"),
        ("web1.example.org:22", "write web1.example.org, and ansible_port: 22"),
        ("192.0.2.1 ", "it has to be a host name or an address, without spaces"),
        *((right, "") for right in ("", "::1", "fe80::1%eth0", "web1", "192.0.2.1", "root@web1", "ssh://root@web1:22")),
    ],
)
def test_addresses_of_hosts(address: str, remedy: str) -> None:
    assert address_remedy(address) == remedy
