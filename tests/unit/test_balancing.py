"""What load balancers do, from groups and records: frontends, backends, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.filter import balancing as filters
from ansible_collections.grove.wsgi.plugins.plugin_utils import balancing
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import Checked, check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.steps import steps
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import apache_view
from record_settings import SETTINGS, SPEC

HOSTS = {
    "lb1": {"ansible_host": "192.0.2.10"},
    "api1": {"ansible_host": "192.0.2.21"},
    "api2": {"ansible_host": "192.0.2.22"},
}
GROUPS = {"load_balancers": ["lb1"], "wsgi": ["api1", "api2"]}


GIVEN = {"tls": "given", "tls_certificate": "/etc/ssl/shop.pem", "tls_key": "/etc/ssl/shop.key"}
AUTHORITY = "/inventory/secrets/tls"


def settings(host: str) -> Settings:
    """Return the settings of an API host of a fleet."""
    return dataclasses.replace(SETTINGS, balanced=True, host_name=host, tls_ca_dir=AUTHORITY)


def check(host: str, *records: dict[str, Any]) -> Checked:
    """Return the records of an API host after their check, which has to find no problem."""
    written = [{"source": "shop==1", "entry": {"module": "shop:application"}, "listen": 8080, **one} for one in records]
    checked = check_records(written, SPEC, settings(host))
    assert [str(problem) for problem in checked.problems] == []
    return checked


def views(*records: dict[str, Any], host: str = "api1") -> dict[str, dict[str, Any]]:
    """Return the views of an API host's records for Apache's templates, by name."""
    return {record.name: apache_view(record) for record in check(host, *records).deployed}


def plan(*records: dict[str, Any], **others: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the plan of two API hosts with the same records, or with other views of the hosts named."""
    apps = {"api1": views(*records), "api2": views(*records, host="api2"), **others}
    return balancing.plan(apps, {"api1": "192.0.2.21", "api2": "192.0.2.22"})


def test_a_fleet_without_faults_has_no_problem() -> None:
    assert balancing.group_problems(GROUPS, HOSTS) == []


@pytest.mark.parametrize(
    ("groups", "hosts", "words"),
    [
        ({"load_balancers": []}, {}, ["group load_balancers", "has no host"]),
        ({"wsgi": []}, {}, ["group wsgi", "has no host"]),
        ({"load_balancers": ["api1"]}, {}, ["host api1", "load_balancers and wsgi"]),
        (
            {"load_balancers": ["lb1", "lb2"]},
            {"lb2": {"ansible_host": "192.0.2.11"}},
            ["lb1, lb2", "one load balancer", "load_balancer_address: 192.0.2.9"],
        ),
        ({}, {"api1": {"ansible_host": "api1.example.org"}}, ["host api1", "api1.example.org", balancing.ADDRESS]),
        ({}, {"api1": {}}, ["host api1", balancing.ADDRESS]),
        ({}, {"api1": {"ansible_host": "127.0.0.1"}}, ["host api1", "127.0.0.1"]),
        ({}, {"api1": {"ansible_host": "192.0.2.10"}}, ["lb1 and api1", "192.0.2.10"]),
        ({}, {"api2": {"ansible_host": "2001:db8::2"}}, ["lb1 and api2", "192.0.2.10 and 2001:db8::2", "one version"]),
        ({"wsgi": ["api 1"]}, {"api 1": {"ansible_host": "192.0.2.30"}}, ["host api 1", "rename"]),
    ],
)
def test_groups_and_addresses_that_make_no_fleet(
    groups: dict[str, Any], hosts: dict[str, Any], words: list[str]
) -> None:
    problems = balancing.group_problems({**GROUPS, **groups}, {**HOSTS, **hosts})
    assert len(problems) == 1, problems
    assert all(word in problems[0] for word in words), problems


def test_the_variable_goes_before_the_name_of_a_host() -> None:
    variables = {"ansible_host": "api1.example.org", balancing.ADDRESS: "[2001:db8::1]"}
    assert balancing.host_address("api1", variables) == "2001:db8::1"
    assert filters.host_addresses(["lb1"], HOSTS) == ["192.0.2.10"]
    with pytest.raises(AnsibleFilterError, match="host web"):
        filters.host_addresses(["web"], {"web": {}})


PAIR = ["lb1", "lb2"]


def pair(first: dict[str, Any], second: dict[str, Any], **apis: dict[str, Any]) -> list[str]:
    """Return the problems of two load balancers with these variables, and of API hosts."""
    hosts = {**HOSTS, "lb1": {**HOSTS["lb1"], **first}, "lb2": {"ansible_host": "192.0.2.11", **second}, **apis}
    return balancing.group_problems({**GROUPS, "load_balancers": PAIR}, hosts)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"load_balancer_listen": "0.0.0.0"},
        {"load_balancer_listen": "192.0.2.9"},
        {"load_balancer_listen": "::", "load_balancer_router_id": 7},
    ],
)
def test_load_balancers_share_an_address(variables: dict[str, Any]) -> None:
    both = {"load_balancer_address": "192.0.2.9", **variables}
    assert pair(both, both) == []
    assert balancing.group_problems(GROUPS, {**HOSTS, "lb1": {**HOSTS["lb1"], **both}}) == []


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({balancing.SHARED: "192.0.2.9"}, {}, ["found 192.0.2.9 on lb1 and nothing on lb2"]),
        ({}, {balancing.SHARED: "192.0.2.9"}, ["found nothing on lb1 and 192.0.2.9 on lb2"]),
        (
            {balancing.SHARED: "192.0.2.9", balancing.ROUTER: 7},
            {balancing.SHARED: "192.0.2.9", balancing.ROUTER: 8},
            ["load_balancer_router_id", "7 on lb1 and 8 on lb2"],
        ),
        ({balancing.SHARED: "lb"}, None, ["load_balancer_address: found lb;", "no machine has"]),
        ({balancing.SHARED: "127.0.0.9"}, None, ["found 127.0.0.9"]),
        ({balancing.SHARED: "224.0.0.18"}, None, ["found 224.0.0.18"]),
        ({balancing.SHARED: "192.0.2.21"}, None, ["found 192.0.2.21", "the own address of api1"]),
        ({balancing.SHARED: "192.0.2.11"}, None, ["found 192.0.2.11", "the own address of lb2"]),
    ],
)
def test_an_address_that_load_balancers_cannot_share(
    first: dict[str, Any], second: dict[str, Any] | None, words: list[str]
) -> None:
    (problem,) = pair(first, first if second is None else second)
    assert all(word in problem for word in words), problem


def test_haproxy_has_to_listen_on_the_shared_address() -> None:
    own = {balancing.SHARED: "192.0.2.9", "load_balancer_listen": "192.0.2.10"}
    problems = pair(own, {**own, "load_balancer_listen": "*"})
    (problem,) = problems
    assert "load_balancer_listen: found 192.0.2.10 on lb1" in problem
    assert "or 192.0.2.9" in problem


def test_the_shared_address_and_the_own_ones_are_of_one_version() -> None:
    own = {balancing.SHARED: "[2001:db8::9]"}
    problems = pair(own, own)
    assert [problem.partition(";")[0] for problem in problems] == [
        "variable load_balancer_address: found 2001:db8::9, and lb1 has the address 192.0.2.10",
        "variable load_balancer_address: found 2001:db8::9, and lb2 has the address 192.0.2.11",
        # HAProxy's * is every address of IPv4.
        "variable load_balancer_listen: found * on lb1, where clients of 2001:db8::9 get no answer",
        "variable load_balancer_listen: found * on lb2, where clients of 2001:db8::9 get no answer",
    ]
    own = {**own, balancing.LISTEN: "::"}
    balancers = {**own, balancing.ADDRESS: "2001:db8::1"}, {**own, balancing.ADDRESS: "2001:db8::3"}
    apis = {host: {balancing.ADDRESS: f"2001:db8::{host[-1]}1"} for host in GROUPS["wsgi"]}
    assert pair(*balancers, **apis) == []
    # The load balancers' addresses are those that API hosts accept.
    assert len(pair(*balancers)) == len(GROUPS["wsgi"]) * len(balancers)


def test_keepalived_knows_the_other_load_balancers() -> None:
    hosts = {
        "lb1": {"ansible_host": "192.0.2.10", balancing.SHARED: "192.0.2.9"},
        "lb2": {"ansible_host": "192.0.2.11", balancing.SHARED: "192.0.2.9"},
    }
    assert filters.sharing_of_load_balancer("lb2", PAIR, hosts) == {
        "address": "192.0.2.9",
        "own": "192.0.2.11",
        "peers": ["192.0.2.10"],
        "priority": balancing.FIRST_PRIORITY - 1,
    }
    assert balancing.sharing("lb1", ["lb1"], hosts)["peers"] == ["192.0.2.9"], "keepalived would speak multicast"
    assert balancing.sharing("lb1", ["lb1"], HOSTS)["address"] == ""


def test_two_addresses_of_a_network_have_two_routers() -> None:
    numbers = {balancing.router_id(f"192.0.2.{last}") for last in range(1, 255)}
    assert len(numbers) == 254
    assert numbers <= set(range(1, balancing.ROUTERS + 1))
    assert balancing.router_id("2001:db8::9") != balancing.router_id("2001:db8::a")
    assert balancing.router_id("") == balancing.router_id("lb") == 1


def test_the_load_balancer_with_the_address_is_updated_last() -> None:
    state = {"lb1": {filters.HELD: {"holds": True}}, "lb2": {filters.HELD: {"holds": False}}, "lb3": {}}
    assert filters.holders(["lb1", "lb2", "lb3"], state) == ["lb1"]
    assert filters.backups_first(["lb1", "lb2", "lb3"], state) == ["lb2", "lb3", "lb1"]
    assert filters.backups_first(["lb1"], {"lb1": {filters.HELD: {"skipped": True}}}) == ["lb1"]


def test_why_no_load_balancer_takes_over() -> None:
    results = [
        {"item": "lb1", "well": True, "unwell": ""},
        {"item": "lb2", "well": False, "unwell": "keepalived does not run"},
        {"item": "lb3", "unreachable": True, "msg": "no route"},
    ]
    assert filters.relief(results) == {"lb1": "", "lb2": "keepalived does not run", "lb3": "no route"}


def test_each_app_has_a_backend_with_its_own_health_check() -> None:
    health = {"path": "/up", "status": [200, 204], "headers": {"X-Probe": "a b"}}
    result = plan({"name": "shop", "path": "/shop", "server_name": "shop.example.org", "health": health})
    (backend,) = result["backends"]
    assert result["problems"] == []
    assert (backend["name"], backend["path"], backend["host"]) == ("app-shop", "/shop/up", "shop.example.org:8080")
    assert (backend["statuses"], backend["headers"]) == ([200, 204], {"X-Probe": "a b"})
    assert backend["servers"] == [
        {"name": "api1", "address": "192.0.2.21", "port": 8080, "certified": ""},
        {"name": "api2", "address": "192.0.2.22", "port": 8080, "certified": ""},
    ]
    assert (backend["tls"], result["frontends"][0]["tls"], result["certificates"]) == (False, False, [])


def test_names_and_paths_decide_in_apaches_order() -> None:
    result = plan(
        {"name": "any", "path": "/"},
        {"name": "below", "path": "/a"},
        {"name": "named", "server_name": "One.example.org", "server_aliases": ["*.one.example.org"]},
        {"name": "deep", "path": "/a/b"},
        {"name": "other", "listen": 8081},
    )
    first, second = result["frontends"]
    assert (first["name"], first["default"]) == ("port-8080", "app-any")
    assert (second["rules"], second["default"]) == ([], "app-other")
    assert [rule["backend"] for rule in first["rules"]] == [
        *["app-named"] * 2,
        *["app-deep"] * 2,
        *["app-below"] * 2,
    ]
    conditions = [rule["conditions"] for rule in first["rules"]]
    assert "-m str -- one.example.org }" in conditions[0]
    assert "-m end -- .one.example.org }" in conditions[1]
    assert conditions[2:4] == ["{ path -m str -- '/a/b' }", "{ path -m beg -- '/a/b/' }"]


def test_the_buffer_holds_the_longest_head() -> None:
    assert plan({"name": "shop"})["buffer"] == 4 * (8190 + 8190)
    assert plan({"name": "shop", "max_header": 65_000})["buffer"] > 4 * 65_000


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"listen": "127.0.0.1:8080"}, ["key listen", "127.0.0.1"]),
        ({"listen": "localhost:8080"}, ["key listen", "localhost"]),
        ({"tls": "private_ca", "server_name": f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}"}, ["key tls", "shorten"]),
    ],
)
def test_records_that_no_load_balancer_serves(record: dict[str, Any], words: list[str]) -> None:
    problems = plan({"name": "shop", **record})["problems"]
    assert [problem.count("record shop") for problem in problems] == [1, 1]
    for host, problem in zip(("api1", "api2"), problems, strict=True):
        assert all(word in problem for word in [host, *words]), problem


def test_a_host_whose_name_no_certificate_takes() -> None:
    own = {"name": "shop", "tls": "private_ca"}
    (problem,) = plan(own, api2=views(own, host="2001:db8::1"))["problems"]
    assert all(word in problem for word in ("record shop, key tls", "2001:db8::1.fleet.invalid", "rename")), problem


def test_each_api_host_is_known_by_a_name_of_its_own() -> None:
    (backend,) = plan({"name": "shop", "tls": "private_ca", "server_name": "Shop.example.org"})["backends"]
    assert backend["tls"]
    assert [server["certified"] for server in backend["servers"]] == [
        "shop.example.org.api1.fleet.invalid",
        "shop.example.org.api2.fleet.invalid",
    ]


@pytest.mark.parametrize("tls", [{"tls": "private_ca"}, GIVEN])
def test_the_certificate_of_an_api_host_is_the_private_authoritys(tls: dict[str, str]) -> None:
    """A given one is for the clients, who see the load balancer's."""
    checked = check("api1", {"name": "shop", "server_name": "shop.example.org", **tls})
    (record,) = checked.deployed
    assert (record.tls_certificate, record.tls_key) == (
        "/etc/apache2/grove-tls/shop.crt",
        "/etc/apache2/grove-tls/shop.key",
    )
    done = steps(checked, settings("api1"), {})
    (certificate,) = done["certificates"]
    assert certificate["alternative_names"] == ["DNS:shop.example.org", "DNS:shop.example.org.api1.fleet.invalid"]
    assert set(done["certificate_files"].values()) == {f"{AUTHORITY}/api1/shop.crt", f"{AUTHORITY}/api1/shop.key"}
    assert done["authority"] == AUTHORITY


def test_a_given_certificate_needs_both_of_its_files() -> None:
    written = {"name": "shop", "source": "shop==1", "entry": {"module": "shop:application"}, "listen": 8080}
    checked = check_records([{**written, "tls": "given", "tls_key": "/etc/ssl/a.key"}], SPEC, settings("api1"))
    (problem,) = map(str, checked.problems)
    assert "key tls: found given; tls_certificate and tls_key have to be given" in problem


def test_records_of_a_virtualhost_share_a_given_certificate() -> None:
    result = plan({"name": "shop", **GIVEN}, {"name": "cart", "path": "/cart", **GIVEN})
    (certificate,) = result["certificates"]
    assert certificate["name"] == "cart"
    assert certificate["given"] == {"certificate": GIVEN["tls_certificate"], "key": GIVEN["tls_key"]}
    assert filters.given_files(result) == [{"name": "cart.pem", "record": "cart", **certificate["given"]}]


def test_clients_see_the_certificate_of_the_name_that_they_ask_for() -> None:
    private = {"tls": "private_ca", "listen": 8443}
    named = {"name": "named", "server_name": "One.example.org", "server_aliases": ["*.one.example.org"], **private}
    result = plan(
        named, {"name": "any", **private}, {"name": "lone", **private, "listen": 8444, "server_name": "two.org"}
    )
    assert [(one["port"], one["tls"], one["strict"]) for one in result["frontends"]] == [
        (8443, True, False),
        (8444, True, True),
    ]
    assert balancing.certificate_lists(result) == {
        "port-8443.list": "@any.pem@ *\n@named.pem@ one.example.org *.one.example.org\n",
        "port-8444.list": "@lone.pem@ two.org\n",
    }
    hosts = {"lb1": {"ansible_host": "192.0.2.10"}}
    made = filters.certificates_of_load_balancer(result, "lb1", hosts, "192.0.2.9")
    assert {one["name"]: one["alternative_names"] for one in made} == {
        "any": ["DNS:lb1", "IP:192.0.2.9", "IP:192.0.2.10"],
        "named": ["DNS:one.example.org", "DNS:*.one.example.org"],
        "lone": ["DNS:two.org"],
    }
    assert {one["name"]: one["common_name"] for one in made}["any"] == "lb1"
    for shared, addresses in (("", ["IP:192.0.2.10"]), ("192.0.2.9", ["IP:192.0.2.9", "IP:192.0.2.10"])):
        (first, *_) = filters.certificates_of_load_balancer(result, "lb1", hosts, "*", shared)
        assert first["alternative_names"] == ["DNS:lb1", *addresses]
    paths = filters.certificate_paths(made, "/f")
    assert paths["any.key"] == "/f/any.key"
    files = filters.files_of_load_balancer(result, {name: f"<{name}>" for name in paths}, ["<ca>", "<other>"])
    assert [file["name"] for file in files] == [
        *("any.pem", "named.pem", "lone.pem"),
        *("authority.crt", "port-8443.list", "port-8444.list"),
    ]
    assert (files[0]["text"], files[3]["text"]) == ("<any.crt><any.key>", "<ca><other>")
    assert filters.files_of_load_balancer(plan({"name": "plain"}), {}, []) == []


def test_one_authority_for_all_api_hosts() -> None:
    own = views({"name": "shop", "tls": "private_ca"})
    hostvars = {
        host: {
            "ansible_host": address,
            "__wsgi_app_views": {app: {"apache": view} for app, view in own.items()},
            "__wsgi_app_steps": {"authority": folder},
        }
        for host, address, folder in (("api1", "192.0.2.21", "/a"), ("api2", "192.0.2.22", "/b"))
    }
    result = filters.balancing_plan(["api1", "api2"], hostvars)
    assert result["authority"] == "/a"
    (problem,) = result["problems"]
    assert all(word in problem for word in ("wsgi_app_tls_ca_dir", "/a on api1", "/b on api2")), problem


def test_api_hosts_say_the_same_certificate() -> None:
    other = {**GIVEN, "tls_certificate": "/etc/ssl/other.pem"}
    (problem,) = plan({"name": "shop", **GIVEN}, api2=views({"name": "shop", **other}, host="api2"))["problems"]
    assert all(word in problem for word in ("key tls_certificate", "/etc/ssl/other.pem", "on api2")), problem
    (problem,) = plan({"name": "shop", **GIVEN}, api2=views({"name": "shop"}, host="api2"))["problems"]
    assert "key tls: found given on api1 and off on api2" in problem


def test_an_address_of_a_record_is_the_servers_address() -> None:
    (backend,) = plan({"name": "shop", "listen": "192.0.2.99:8080"})["backends"]
    assert [server["address"] for server in backend["servers"]] == ["192.0.2.99", "192.0.2.99"]


def test_api_hosts_have_to_answer_at_the_same_place() -> None:
    result = plan({"name": "shop"}, api2=views({"name": "shop", "listen": 8081}))
    (problem,) = result["problems"]
    assert all(word in problem for word in ("record shop", "key listen", "8080 on api1", "8081 on api2")), problem


def test_an_app_of_one_host_has_one_server() -> None:
    result = plan({"name": "shop"}, api2={})
    assert [server["name"] for server in result["backends"][0]["servers"]] == ["api1"]


def test_a_stopped_run_says_what_each_host_serves() -> None:
    hostvars = {
        "api1": {"__wsgi_app_switched": {}},
        "api2": {
            "__load_balancer_serving": {
                "results": [
                    {"item": "api1", "apps": [{"app": "shop", "release": "aaa"}]},
                    {"item": "api2", "apps": [{"app": "shop", "release": None}]},
                ]
            },
            "__load_balancer_back": {"results": [{"item": "lb1", "msg": "no answer"}]},
        },
        "api3": {},
        "api4": {"__update_hosts_done": True},
    }
    assert filters.fleet_state(["api1", "api2", "api3", "api4"], "api2", hostvars).splitlines() == [
        "The run stopped at api2. The hosts serve:",
        "- api1: shop aaa; changed by this run",
        "- api2: shop (nothing); out of the traffic, or not well (lb1: no answer)",
        "- api3: unknown; not changed by this run",
        "- api4: unknown; changed by this run",
        "Run the same command again when the cause is gone: it goes on where this one stopped.",
    ]


def test_a_run_that_stops_before_there_is_a_load_balancer() -> None:
    hostvars = {
        "api1": {
            "__load_balancer_serving": {"results": [{"item": "api1", "apps": []}]},
            "__load_balancer_back": {"results": [{"item": "lb1", "backends": []}]},
        }
    }
    lines = filters.fleet_state(["api1"], "api1", hostvars).splitlines()
    assert lines[1] == "- api1: no app; no load balancer sends it requests yet"
    hostvars["api1"]["__load_balancer_back"] = {"results": [{"item": "lb1", "backends": ["app-shop"]}]}
    assert filters.fleet_state(["api1"], "api1", hostvars).splitlines()[1] == "- api1: no app; well, and in the traffic"
    hostvars["api1"]["__load_balancer_back"] = {"results": []}
    assert filters.fleet_state(["api1"], "api1", hostvars).splitlines()[1] == "- api1: no app; it has no load balancer"


def test_the_reason_of_a_failed_loop_is_that_of_its_items() -> None:
    failed = {"failed": True, "msg": "no answer"}
    assert (
        filters.failure_reason({"msg": "One or more items failed", "results": [{"msg": "fine"}, failed]}) == "no answer"
    )
    assert filters.failure_reason(failed) == "no answer"


def test_a_new_host_serves_what_the_others_serve() -> None:
    """One of them is enough: hosts with another system have other releases."""

    def state(app: str, release: str | None, presence: str = "served") -> dict[str, Any]:
        return {"app": app, "release": release, "state": presence}

    hostvars = {
        "api1": {
            "__add_status": {"apps": [state("shop", "aaa"), state("blog", "ccc"), state("old", "ddd", "removed")]}
        },
        "api2": {"__add_status": {"apps": [state("shop", "bbb"), state("blog", "ccc"), state("none", None)]}},
    }
    assert (
        filters.other_releases(["api1", "api2"], {"shop": "bbb", "new": "x", "old": "y", "none": "z"}, hostvars) == []
    )
    assert filters.other_releases(["api1", "api2"], {"blog": "eee"}, hostvars) == [
        "app blog: release eee, and api1 serves ccc, api2 serves ccc"
    ]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (
            {"shop": "192.0.2.21"},
            {"blog": "192.0.2.21"},
            "api1 is not lost: it answers, and gets requests for blog, shop.",
        ),
        (
            {},
            {"shop": "192.0.2.29"},
            "lb2 sends requests for shop to api1 at 192.0.2.29, where it answers, and the inv",
        ),
        # A load balancer has been given the fresh host before the run was ended.
        ({"shop": "192.0.2.21"}, {}, ""),
        ({}, {}, ""),
    ],
)
def test_a_host_that_is_not_lost_is_not_replaced(first: dict[str, str], second: dict[str, str], words: str) -> None:
    hostvars = {**HOSTS, "lb1": {"__lost_read": {"serves": first}}, "lb2": {"__lost_read": {"serves": second}}}
    reason = filters.not_lost("api1", ["lb1", "lb2"], hostvars)
    assert reason.startswith(words), reason
    assert bool(reason) == bool(words)


@pytest.mark.parametrize(
    ("addresses", "down", "moved"),
    [
        (("192.0.2.21", "192.0.2.29"), ["api2"], ["api2"]),
        (("192.0.2.28", "192.0.2.29"), ["api1", "api2"], ["api1", "api2"]),
        # A host that only its address in the inventory calls by another name still answers.
        (("192.0.2.21", "192.0.2.29"), [], []),
        (("192.0.2.21", "192.0.2.22"), ["api2"], []),
    ],
)
def test_a_host_that_is_down_at_its_former_address_has_moved(
    addresses: tuple[str, str], down: list[str], moved: list[str]
) -> None:
    records = {"name": "shop"}, {"name": "blog", "listen": 8090}
    apps = {"api1": views(*records), "api2": views(*records, host="api2")}
    planned = balancing.plan(apps, dict(zip(apps, addresses, strict=True)))
    assert filters.moved_hosts(planned, {"plan": plan(*records), "down": down}) == moved


def test_a_host_that_the_inventory_no_longer_has_has_not_moved() -> None:
    planned = balancing.plan({"api1": views({"name": "shop"})}, {"api1": "192.0.2.21"})
    assert filters.moved_hosts(planned, {"plan": plan({"name": "shop"}), "down": ["api2"]}) == []
    assert filters.moved_hosts(planned, {"plan": {"backends": []}, "down": []}) == []


def test_a_machine_that_is_another_host_is_known_by_its_addresses() -> None:
    hosts = ["lb1", "api1", "api2"]
    assert filters.hosts_on_machine(hosts, ["10.0.0.2", "192.0.2.21"], HOSTS) == ["api1"]
    assert filters.hosts_on_machine(hosts, ["10.0.0.2", "::3"], HOSTS) == []
    assert filters.hosts_on_machine(hosts, ["::2"], {**HOSTS, "api2": {"ansible_host": "[0::2]"}}) == ["api2"]


def test_software_comes_from_hosts_of_the_same_system_that_have_the_releases() -> None:
    def host(release: str, **more: Any) -> dict[str, Any]:
        facts = {"distribution": "Debian", "distribution_release": release, "distribution_major_version": release}
        return {"ansible_facts": facts, **more}

    done: dict[str, Any] = {"__wsgi_app_switched": {"results": []}}
    hostvars = {
        "api1": host("trixie", **done),
        "api2": host("bookworm", **done),
        "api3": host("bookworm", __add_status={"apps": []}),
        "api4": host("bookworm", __add_status={"skipped": True}),
        "api5": host("bookworm"),
        "api6": {"ansible_facts": {}, **done},
        "api7": host("bookworm", **done),
    }
    assert filters.builders(list(hostvars), "api7", hostvars) == ["api2", "api3"]
    assert filters.builders(list(hostvars), "api4", hostvars) == ["api2", "api3", "api7"]
    assert filters.other_systems(list(hostvars), "api7", hostvars) == [
        "api1 has Debian trixie",
        "api6 has an unknown system",
    ]
    # Two hosts of which nothing is known are not the same.
    assert filters.builders(["api6", "api8"], "api6", hostvars | {"api8": hostvars["api6"]}) == []


@pytest.mark.parametrize(
    ("sends", "expected"),
    [
        # No load balancer has a plan: the fleet is new.
        ([False, False], "100%"),
        ([False, True], 3),
        # A run of some hosts asks no load balancer.
        ([False, None], 3),
    ],
)
def test_hosts_without_traffic_change_together(sends: list[bool | None], expected: int | str) -> None:
    hostvars: dict[str, dict[str, Any]] = {"api1": {"load_balancer_serial": 3}, "api2": {}}
    for number, one in enumerate(sends):
        hostvars[f"lb{number}"] = {} if one is None else {"__load_balancer_before": {"sends": one}}
    balancers = [f"lb{number}" for number in range(len(sends))]
    assert filters.batch(balancers, ["api1", "api2"], hostvars) == expected
    hostvars["api1"] = {}
    assert filters.batch(balancers, ["api1", "api2"], hostvars) == (1 if expected == 3 else expected)
    assert filters.batch(balancers, ["api1", "api2"], {}) == 1


def test_new_ports_are_served_before_the_api_hosts_change() -> None:
    """What HAProxy serves stays as it is, whatever else has changed."""
    first = plan({"name": "shop"}, {"name": "blog", "path": "/blog"})
    later = plan(
        {"name": "shop", "health": "/alive"},
        {"name": "wiki", "path": "/wiki"},
        {"name": "keystone", "listen": 5000, "tls": "private_ca"},
    )
    merged = balancing.with_new_ports(first, later)
    assert [each["port"] for each in merged["frontends"]] == [5000, 8080]
    by_name = {each["name"]: each for each in merged["backends"]}
    assert sorted(by_name) == ["app-blog", "app-keystone", "app-shop"]
    assert by_name["app-shop"] == next(each for each in first["backends"] if each["name"] == "app-shop")
    assert [each["name"] for each in merged["certificates"]] == ["keystone"]
    assert balancing.with_new_ports(merged, later) == {}


def test_the_first_plan_is_the_whole_one() -> None:
    whole = plan({"name": "shop"}, {"name": "keystone", "listen": 5000})
    assert balancing.with_new_ports({"backends": []}, whole) == whole


def test_an_app_that_moves_to_a_new_port_is_no_new_port() -> None:
    """The API hosts still answer at the former place."""
    assert balancing.with_new_ports(plan({"name": "shop"}), plan({"name": "shop", "listen": 9090})) == {}
