"""What the verbs do with database hosts: which ones change, and what is refused by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from ansible_collections.grove.wsgi.plugins.filter import galera as galera_filters
from ansible_collections.grove.wsgi.plugins.filter import verbs as filters
from ansible_collections.grove.wsgi.plugins.module_utils.database import galera
from ansible_collections.grove.wsgi.plugins.module_utils.host.peers import CLOSED, UNREACHABLE
from ansible_collections.grove.wsgi.plugins.plugin_utils import galera as plans
from ansible_collections.grove.wsgi.plugins.plugin_utils.galera_verbs import Hosts, Seen

CLUSTER, OTHER = "c81b2f30-cd2c-11f0-8000-0242ac110002", "d92c3041-cd2c-11f0-8000-0242ac110002"
FRESH = galera.State(True, False, galera.Position(), (), galera.Status(), "", "debian 12")
DOWN = dataclasses.replace(FRESH, saved=True, position=galera.Position(CLUSTER), databases=("shop",))
INTERRUPTED = dataclasses.replace(FRESH, saved=True, databases=("shop",))
"""A host that was ended while it got the data of the cluster."""


def member(size: int, state: str = "Synced") -> galera.State:
    status = galera.Status("Primary", state, size, CLUSTER, ready=True)
    return dataclasses.replace(DOWN, status=status)


def addresses(number: int) -> dict[str, str]:
    return {f"db{one}": f"192.0.2.3{one}" for one in range(1, number + 1)}


def proxy(*up: str, number: int = 3, **elsewhere: str) -> dict[str, Seen]:
    return {host: Seen(host in up, elsewhere.get(host, own)) for host, own in addresses(number).items()}


def three(*states: galera.State, proxies: Mapping[str, Mapping[str, Seen]] | None = None) -> Hosts:
    found = dict(zip(addresses(3), states, strict=False))
    return Hosts(addresses(3), found, (), proxies or {})


def five(*states: galera.State) -> Hosts:
    return Hosts(addresses(5), dict(zip(addresses(5), states, strict=False)))


def test_a_fresh_machine_replaces_the_lost_host_and_no_other_host_changes() -> None:
    for fresh in (FRESH, INTERRUPTED):
        plan = three(member(2), member(2), fresh, proxies={"lb1": proxy("db1", "db2")}).replace(["db3"])
        assert (plan.kind, plan.problems, plan.first) == (plans.WELL, (), "")
        assert (plan.order, plan.sizes) == (("db3",), {"db3": 3})


def test_a_replacement_of_which_not_every_load_balancer_knows_is_completed() -> None:
    all_three = (member(3), member(3), member(3))
    plan = three(*all_three, proxies={"lb1": proxy("db1", "db2", "db3"), "lb2": proxy("db1", "db2")}).replace(["db3"])
    assert (plan.problems, plan.order, plan.sizes) == ((), ("db3",), {"db3": 3})


def test_one_of_two_lost_hosts_is_replaced_if_the_other_one_is_named_as_lost() -> None:
    states = dict(zip(addresses(5), (member(3), member(3), member(3), FRESH), strict=False))
    assert "host db5: the run does not reach it" in Hosts(addresses(5), states).replace(["db4"]).problems[0]
    plan = Hosts(addresses(5), states, ["db5"]).replace(["db4"])
    assert (plan.problems, plan.order, plan.sizes) == ((), ("db4",), {"db4": 4})


@pytest.mark.parametrize(
    ("hosts", "words"),
    [
        (three(member(3), member(3), member(3)), "host db3: it is not lost, but a member"),
        (
            three(member(3), member(3), member(3), proxies={"lb1": proxy("db1", "db2", "db3")}),
            "host db3: it is not lost, but a member",
        ),
        (three(member(2), member(2), DOWN), "host db3: it is not lost, since it answers and has the data of the"),
        (three(member(2), member(2)), "host db3: the run does not reach the machine that is to replace it"),
        (three(member(2), FRESH), "host db3: the run does not reach the machine"),
        (
            three(member(2), member(2), dataclasses.replace(FRESH, databases=("nova",))),
            "host db3: it has databases of its own (nova)",
        ),
        (
            three(member(2), member(2), dataclasses.replace(DOWN, position=galera.Position(OTHER))),
            f"host db3: its data are of the cluster {OTHER}",
        ),
        (three(DOWN, DOWN, FRESH), "no host is a member of a cluster that serves, so there is no majority (quorum)"),
        (three(FRESH, FRESH, FRESH), "no host is a member of a cluster that serves"),
        # The lost machine is back, at its former address.
        (three(member(3), member(3), FRESH), "the cluster has 3 members, and 2 of them are hosts of the group"),
        (
            three(member(3), member(3), FRESH, proxies={"lb1": proxy("db1", "db2", "db3", db3="192.0.2.99")}),
            "lb1 reaches it at 192.0.2.99, where it answers as a member",
        ),
        (
            three(dataclasses.replace(member(2), peers={"db3": UNREACHABLE}), member(2), FRESH),
            "host db1: it does not reach db3 at 192.0.2.33",
        ),
    ],
)
def test_a_replacement_is_refused_by_name(hosts: Hosts, words: str) -> None:
    assert any(words in problem for problem in hosts.replace(["db3"]).problems)


def test_two_hosts_join_one_after_the_other() -> None:
    plan = five(member(3), member(3), member(3), FRESH, FRESH).grow(["db5", "db4"])
    assert (plan.problems, plan.order, plan.sizes) == ((), ("db4", "db5"), {"db4": 4, "db5": 5})


def test_a_growth_that_was_interrupted_goes_on() -> None:
    between = five(member(4), member(4), member(4), member(4), FRESH).grow(["db4", "db5"])
    assert (between.problems, between.order, between.sizes) == ((), ("db4", "db5"), {"db4": 4, "db5": 5})
    done = five(*[member(5)] * 5).grow(["db4", "db5"])
    assert (done.problems, done.sizes) == ((), {"db4": 5, "db5": 5})


@pytest.mark.parametrize(
    ("hosts", "named", "words"),
    [
        (five(member(3), member(3), member(3), FRESH, FRESH), ["db4"], "host db5: it is no member of the cluster"),
        (five(member(2), member(2), DOWN, FRESH, FRESH), ["db4", "db5"], "host db3: it is no member of the cluster"),
        (five(member(3), member(3), member(3), FRESH), ["db4", "db5"], "host db5: the run does not reach it"),
        (five(*[FRESH] * 5), ["db4", "db5"], "no host is a member of a cluster that serves"),
        (
            Hosts(addresses(4), dict(zip(addresses(4), [*[member(3)] * 3, FRESH], strict=True))),
            ["db4"],
            "group database: found 4 hosts",
        ),
    ],
)
def test_a_growth_is_refused_by_name(hosts: Hosts, named: list[str], words: str) -> None:
    assert any(words in problem for problem in hosts.grow(named).problems)


def test_hosts_leave_and_need_not_answer() -> None:
    plan = five(*[member(5)] * 5).shrink(["db5", "db1"])
    assert (plan.problems, plan.order) == ((), ("db1", "db5"))
    lost = five(*[member(3)] * 3).shrink(["db4", "db5"])
    assert (lost.problems, lost.order) == ((), ())
    done = five(*[member(3)] * 3, DOWN, DOWN).shrink(["db4", "db5"])
    assert (done.problems, done.order) == ((), ("db4", "db5"))
    # A host that the others do not reach may leave.
    seen = dataclasses.replace(member(3), peers={"db4": UNREACHABLE, "db5": CLOSED})
    assert five(seen, seen, seen, DOWN, DOWN).shrink(["db4", "db5"]).problems == ()


@pytest.mark.parametrize(
    ("hosts", "named", "words"),
    [
        (five(*[member(5)] * 5), ["db5"], "without db5, it has 4 hosts (db1, db2, db3, db4), of which no half"),
        (three(*[member(3)] * 3), ["db3"], "without db3, it has 2 hosts (db1, db2); a cluster needs 3 or more"),
        (three(*[member(3)] * 3), ["db3", "db2"], "it has 1 hosts (db1)"),
        (five(member(4), member(4), DOWN, member(4), member(4)), ["db4", "db5"], "host db3: it is no member"),
        (five(member(5), member(5)), ["db4", "db5"], "host db3: the run does not reach it"),
        (five(*[DOWN] * 5), ["db4", "db5"], "no majority (quorum)"),
        # The run does not reach a host that runs.
        (five(*[member(4)] * 3), ["db4", "db5"], "the cluster has 4 members, and 3 of them are hosts of the group"),
        (
            Hosts(addresses(5), dict.fromkeys(addresses(5), member(5)), (), {"lb1": proxy("db5", number=5)}),
            ["db4", "db5"],
            "host lb1: its HAProxy sends clients of the database to none of db1, db2, db3",
        ),
    ],
)
def test_leaving_is_refused_by_name(hosts: Hosts, named: list[str], words: str) -> None:
    assert any(words in problem for problem in hosts.shrink(named).problems)


def test_site_refuses_a_member_that_is_no_host_of_the_group() -> None:
    plan = plans.decide(list(addresses(3)), addresses(3), dict.fromkeys(addresses(3), member(5)))
    assert "the cluster has 5 members, and 3 of them are hosts of the group (db1, db2, db3)" in plan.problems[0]


def test_the_filters_read_what_the_modules_have_found() -> None:
    hostvars = {
        host: {
            "ansible_host": address,
            "__database_state": {"galera": galera.as_dict(FRESH if host == "db3" else member(2))},
        }
        for host, address in addresses(3).items()
    }
    seen = {"servers": {"db1": {"up": True, "address": "192.0.2.31"}}}
    plan = galera_filters.galera_verb_plan(
        list(hostvars), {**hostvars, "lb1": {"__load_balancer_database_seen": seen}}, "replace", ["db3"], ["lb1"]
    )
    assert (plan["problems"], plan["order"]) == ((), ("db3",))
    assert galera_filters.reached_database_hosts([*hostvars, "db9"], {**hostvars, "db9": {}}) == list(hostvars)


GROUPS = {
    "load_balancers": ["lb1"],
    "wsgi": ["api1", "api2", "both"],
    "database": ["db1", "db2", "db3", "both", "shared"],
    "message_bus": ["mq1", "mq2", "mq3", "shared"],
}


def test_a_verb_finds_out_what_the_host_is() -> None:
    asked = filters.asked_hosts(GROUPS, "db1, db2", "scale_in")
    assert asked == {"folder": "members", "named": ["db1", "db2"], "problems": []}
    for text in ("api1", "db9", "mq1", ""):
        asked = filters.asked_hosts(GROUPS, text, "replace")
        assert (asked["folder"], asked["problems"]) == ("fleet", [])


@pytest.mark.parametrize("verb", ["replace", "scale_in", "scale_out"])
def test_an_api_host_with_a_message_broker_is_refused(verb: str) -> None:
    asked = filters.asked_hosts({"wsgi": ["api1", "api2"], "message_bus": ["api1"]}, "api1", verb)
    assert asked["folder"] == "fleet"
    [problem] = asked["problems"]
    assert problem.startswith(f"host api1: it is in the groups wsgi and message_bus, and {verb} works on API hosts")


@pytest.mark.parametrize(
    ("text", "verb", "words"),
    [
        ("db1,db9", "scale_in", "found -e host=db9; it has to be a host of the group database"),
        ("db1,db1", "scale_in", "found -e host=db1 twice"),
        ("db1,mq1", "scale_in", "found -e host=mq1; it has to be a host of the group database"),
        ("db1,api1", "scale_in", "found -e host=api1"),
        ("db1,db2", "replace", "replace works on one host"),
        ("both", "replace", "host both: it is in the groups wsgi and database"),
        ("shared", "scale_in", "host shared: it is in the groups database and message_bus"),
    ],
)
def test_what_is_asked_for_is_refused_by_name(text: str, verb: str, words: str) -> None:
    asked = filters.asked_hosts(GROUPS, text, verb)
    assert asked["folder"] == "members"
    assert any(words in problem for problem in asked["problems"])


SERVERS = {
    "load_balancers": ["lb1"],
    "wsgi": ["api1", "both"],
    "database": ["db1", "db2", "both"],
    "message_bus": ["db1", "mq1", "mq2"],
    "cache": ["mc1", "api1", "lb1", "db2"],
}


@pytest.mark.parametrize(
    ("groups", "interrupt", "hosts"),
    [
        # The first database host has the clients.
        (SERVERS, False, ["db2", "db1", "mq2", "mq1", "mc1"]),
        ({"database": ["db1"], "message_bus": ["mq1"], "cache": ["mc1"]}, False, ["mc1"]),
        ({"database": ["db1"], "message_bus": ["mq1"], "cache": ["mc1"]}, True, ["db1", "mq1", "mc1"]),
        # A host that is in a group alone, and in another one with others.
        ({"database": ["one"], "message_bus": ["one", "two", "three"]}, False, ["three", "two"]),
        ({"wsgi": ["one"], "database": ["one"]}, True, []),
        ({}, True, []),
    ],
)
def test_servers_are_updated_in_an_order_that_moves_clients_once(
    groups: dict[str, list[str]], interrupt: bool, hosts: list[str]
) -> None:
    named = filters.FilterModule().filters()
    assert named["updated_servers"](groups, interrupt) == hosts
    assert set(hosts).isdisjoint(named["lone_servers"](groups)) or interrupt


def test_one_member_of_each_cluster_is_away_at_a_time() -> None:
    named = filters.FilterModule().filters()
    assert named["one_at_a_time"](SERVERS)
    assert not named["one_at_a_time"]({**SERVERS, "wsgi": ["api1", "api2"]})
    assert not named["one_at_a_time"]({"wsgi": ["one"], "database": ["one"], "message_bus": ["one"]})
    assert named["clusters_of"](SERVERS, "both") == {"database": True, "message_bus": False}
    assert named["clusters_of"](SERVERS, "db1") == {"database": True, "message_bus": True}
    assert named["cluster_hosts"](SERVERS) == ["db1", "db2", "both", "mq1", "mq2"]
    assert named["cluster_hosts"]({"wsgi": ["one"], "database": ["one"], "message_bus": ["one"]}) == []
    assert named["clusters_of"]({"database": ["db1"]}, "db1") == {"database": False, "message_bus": False}
    assert named["lone_servers"]({"wsgi": ["one"], "database": ["one"], "message_bus": ["mq"]}) == {"mq": "message_bus"}


@pytest.mark.parametrize(
    ("verb", "words"),
    [
        ("replace", "so its data were on it alone"),
        ("scale_in", "so nothing would be left without it"),
        ("scale_out", "so there is no cluster that another host could join"),
    ],
)
def test_the_only_host_of_the_group_is_refused(verb: str, words: str) -> None:
    [problem] = filters.asked_hosts({"database": ["one"]}, "one", verb)["problems"]
    assert problem.startswith(f"host one: it is the only host of the group database, {words}")
