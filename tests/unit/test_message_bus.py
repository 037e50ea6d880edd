"""Which host begins a cluster of brokers, which ones join it, what is refused, and what RabbitMQ's files say."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.filter import message_bus as filters
from ansible_collections.grove.wsgi.plugins.module_utils.openstack import bus_member
from ansible_collections.grove.wsgi.plugins.module_utils.openstack.bus_member import Former, State
from ansible_collections.grove.wsgi.plugins.plugin_utils import message_bus as plans

ADDRESSES = {"mq1": "192.0.2.41", "mq2": "192.0.2.42", "mq3": "192.0.2.43"}
HOSTS = list(ADDRESSES)
NODES = tuple(f"rabbit@{address}" for address in ADDRESSES.values())
COOKIE = "secret"
FRESH = State(True, "3.10", "debian 12")
FORMER = dataclasses.replace(FRESH, former=(Former("rabbit@localhost", ("rabbit@localhost",), 0),))
DOWN = dataclasses.replace(FRESH, saved=NODES, last=NODES, cookie=bus_member.digest(COOKIE))
ELSEWHERE = dataclasses.replace(DOWN, saved=("rabbit@192.0.2.91", "rabbit@192.0.2.92"))


def member(*running: str, members: tuple[str, ...] = NODES) -> State:
    return dataclasses.replace(DOWN, saved=members, members=members, running=running or members)


def alone(host: str, *accounts: str) -> State:
    node = (f"rabbit@{ADDRESSES[host]}",)
    return dataclasses.replace(FRESH, saved=node, members=node, running=node, accounts=accounts)


def decide(
    states: Mapping[str, State],
    lost: tuple[str, ...] = (),
    *,
    discard: bool = False,
    addresses: Mapping[str, str] = ADDRESSES,
) -> plans.Plan:
    return plans.Hosts(addresses, states, lost, discard, COOKIE).plan()


def three(*states: State) -> dict[str, State]:
    return dict(zip(HOSTS, states, strict=True))


def test_fresh_hosts_make_a_cluster_that_the_first_one_begins() -> None:
    plan = decide(three(FRESH, FORMER, FRESH))
    assert (plan.kind, plan.problems, plan.first, plan.order) == (plans.NEW, (), "mq1", ("mq1", "mq2", "mq3"))
    assert plan.join == {"mq2": NODES[0], "mq3": NODES[0]}
    assert plan.sizes == {"mq1": 1, "mq2": 2, "mq3": 3}


def test_a_run_that_was_interrupted_goes_on_with_the_host_that_has_accounts() -> None:
    """The package has started a node on each host, and the run made accounts on one."""
    plan = decide(three(alone("mq1"), alone("mq2", "nova_1"), alone("mq3")))
    assert (plan.problems, plan.first, plan.order) == ((), "mq2", ("mq2", "mq1", "mq3"))
    two = NODES[:2]
    later = decide(three(member(members=two), member(members=two), alone("mq3")))
    assert (later.kind, later.problems, later.order) == (plans.WELL, (), ("mq3", "mq2", "mq1"))
    assert later.join == {"mq3": NODES[0]}


def test_a_cluster_that_serves_is_joined_and_its_first_member_changes_last() -> None:
    assert decide(three(member(), member(), member())).order == ("mq3", "mq2", "mq1")
    away = decide(three(member(*NODES[1:]), DOWN, member(*NODES[1:])))
    assert away.problems != ()
    stopped = decide(three(member(NODES[0], NODES[2]), DOWN, member(NODES[0], NODES[2])))
    assert (stopped.problems, stopped.order, stopped.join) == ((), ("mq2", "mq3", "mq1"), {})
    assert stopped.sizes == {"mq2": 3, "mq3": 3, "mq1": 3}


def test_a_fresh_machine_with_the_address_of_a_lost_one_is_forgotten_before_it_joins() -> None:
    two = member(*NODES[:2])
    plan = decide(three(two, two, FRESH))
    assert (plan.problems, plan.forget, plan.helper) == ((), (NODES[2],), "mq1")
    assert (plan.order, plan.join) == (("mq3", "mq2", "mq1"), {"mq3": NODES[0]})


def test_a_fresh_machine_with_an_address_of_its_own_needs_the_former_one_to_be_named() -> None:
    two = member(*NODES[:2])
    addresses = {**ADDRESSES, "mq3": "192.0.2.44"}
    plan = decide(three(two, two, FRESH), addresses=addresses)
    assert f"the cluster has the member {NODES[2]}, which does not run" in plan.problems[0]
    assert "message_bus_lost_hosts=192.0.2.43" in plan.problems[0]
    named = decide(three(two, two, FRESH), ("192.0.2.43",), addresses=addresses)
    assert (named.problems, named.forget, named.order) == ((), (NODES[2],), ("mq3", "mq2", "mq1"))


def test_a_lost_host_that_is_named_is_left_out() -> None:
    two = member(*NODES[:2])
    plan = decide({"mq1": two, "mq2": two}, ("mq3",))
    assert (plan.problems, plan.forget, plan.order) == ((), (NODES[2],), ("mq2", "mq1"))
    assert plan.sizes == {"mq2": 2, "mq1": 2}


def test_a_cluster_that_is_down_starts_as_a_whole() -> None:
    plan = decide(three(DOWN, DOWN, DOWN))
    assert (plan.kind, plan.problems, plan.first) == (plans.RECOVER, (), "")
    assert plan.sizes == dict.fromkeys(HOSTS, 3)


def test_without_a_lost_host_the_one_that_ran_longest_starts_with_its_own_data() -> None:
    second = dataclasses.replace(DOWN, last=NODES[1:])
    plan = decide({"mq1": DOWN, "mq2": second}, ("mq3",))
    assert (plan.problems, plan.first, plan.order) == ((), "mq2", ("mq1", "mq2"))


def seeing(state: State, **peers: str) -> State:
    return dataclasses.replace(state, peers=peers)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            lambda: decide({}, addresses={"mq1": "192.0.2.41", "mq2": "192.0.2.42"}),
            ["group message_bus: found 2 hosts", "odd number"],
        ),
        (
            lambda: decide({"mq1": member(), "mq2": member()}),
            ["host mq3: the run does not reach it", "message_bus_lost_hosts=mq3"],
        ),
        (lambda: decide(three(FRESH, FRESH, FRESH), ("mq9",)), ["variable message_bus_lost_hosts: found mq9"]),
        (lambda: decide({"mq1": FRESH, "mq2": FRESH}, ("mq3",)), ["found mq3, and no host has data of a cluster"]),
        (lambda: decide(three(member(), member(), member()), ("mq3",)), ["found mq3, which is there with data"]),
        (
            lambda: decide({"mq1": seeing(member(), mq3="open"), "mq2": member()}, ("mq3",)),
            ["found mq3, which answers mq1 on port 25672 of 192.0.2.43"],
        ),
        (
            lambda: decide(three(seeing(FRESH, mq2="unreachable"), FRESH, FRESH)),
            ["host mq1: it does not reach mq2 at 192.0.2.42, port 25672", "message_bus_host_address"],
        ),
        (
            lambda: decide(three(FRESH, FRESH, dataclasses.replace(FRESH, system="debian 13", series="4.0"))),
            ["the distribution differs", "the series of RabbitMQ differs: found 3.10 on mq1"],
        ),
        (
            lambda: decide(three(alone("mq1", "one"), alone("mq2", "two"), FRESH)),
            ["host mq2: its broker has accounts of its own (two)"],
        ),
        (
            lambda: decide(three(member(NODES[0], NODES[1]), member(NODES[0], NODES[1]), alone("mq3", "mine"))),
            ["host mq3: its broker has accounts of its own (mine)"],
        ),
        (
            lambda: decide(
                three(FRESH, dataclasses.replace(FRESH, former=(Former("rabbit@localhost", (), 7),)), FRESH)
            ),
            [
                "host mq2: its broker rabbit@localhost has no cluster, and 7 messages",
                "message_bus_discard_messages=true",
            ],
        ),
        (
            lambda: decide(three(dataclasses.replace(FRESH, former=(Former("rabbit@localhost"),)), FRESH, FRESH)),
            ["messages that it does not show"],
        ),
        (
            lambda: decide(
                three(dataclasses.replace(FRESH, former=(Former("rabbit@192.0.2.7", NODES),)), FRESH, FRESH),
                discard=True,
            ),
            ["host mq1: it has the data of rabbit@192.0.2.7", "its address is 192.0.2.41 now"],
        ),
        (
            lambda: decide(three(member(NODES[0]), member(*NODES[1:]), member(*NODES[1:]))),
            ["these are several clusters, or parts of one", f"mq1 sees {NODES[0]}"],
        ),
        (
            lambda: decide(three(dataclasses.replace(member(), parted=(NODES[2],)), member(), member())),
            ["these are several clusters"],
        ),
        (
            lambda: decide(three(member(members=NODES[:2]), member(members=NODES[:2]), ELSEWHERE)),
            ["host mq3: its data are of a cluster (rabbit@192.0.2.91, rabbit@192.0.2.92)"],
        ),
        (lambda: decide(three(DOWN, DOWN, FRESH)), [f"no member of the cluster runs, and {NODES[2]} is not there"]),
        (lambda: decide(three(DOWN, DOWN, ELSEWHERE)), ["host mq3: its data are of the cluster rabbit@192.0.2.91"]),
        (
            lambda: decide({"mq1": DOWN}, ("mq2", "mq3")),
            [f"{NODES[1]}, {NODES[2]} are lost, so no majority of the cluster is left"],
        ),
        (
            lambda: decide(three(member(), dataclasses.replace(member(), cookie=bus_member.digest("other")), member())),
            ["host mq2: the secret of its cluster", "erlang_cookie"],
        ),
        (
            lambda: decide(
                three(member(), member(), FRESH), addresses={**ADDRESSES, "mq3": "192.0.2.44"}, lost=("192.0.2.43",)
            ),
            [f"the cluster has the member {NODES[2]}, which runs"],
        ),
    ],
)
def test_what_is_refused(plan: Callable[[], plans.Plan], words: list[str]) -> None:
    text = "\n".join(plan().problems)
    assert [word for word in words if word not in text] == [], text


def test_messages_are_left_behind_where_the_operator_says_so() -> None:
    former = dataclasses.replace(FRESH, former=(Former("rabbit@localhost", (), 7),))
    assert decide(three(former, FRESH, FRESH), discard=True).problems == ()


def test_no_plan_begins_a_cluster_while_a_host_is_not_seen_or_beside_a_member() -> None:
    for one in (FRESH, FORMER, DOWN, ELSEWHERE, alone("mq1"), alone("mq1", "nova_1"), member()):
        for two in (FRESH, FORMER, DOWN, ELSEWHERE, member()):
            unseen = decide({"mq1": one, "mq2": two})
            assert (unseen.first, unseen.order) == ("", ())
            assert unseen.problems
            beside = decide(three(one, two, member()))
            assert (beside.kind, beside.first) == (plans.WELL, "")


def test_what_a_host_hands_over_comes_back_as_it_was() -> None:
    for state in (FRESH, FORMER, DOWN, member(), seeing(member(), mq2="open")):
        assert bus_member.state_from(json.loads(json.dumps(bus_member.as_dict(state)))) == state


HOSTVARS: dict[str, dict[str, Any]] = {host: {"ansible_host": address} for host, address in ADDRESSES.items()}


def test_the_addresses_of_the_inventory() -> None:
    variables = {**HOSTVARS, "mq2": {"ansible_host": "mq2.example", "message_bus_host_address": "192.0.2.42"}}
    variables["mq3"]["message_bus_port"] = 5673
    assert filters.message_bus_addresses(HOSTS, variables) == ADDRESSES
    assert filters.message_bus_peers(HOSTS, "mq2", variables) == {"mq1": "192.0.2.41", "mq3": "192.0.2.43"}
    servers = ["192.0.2.41:5672", "192.0.2.42:5672", "192.0.2.43:5673"]
    assert filters.message_bus_servers(HOSTS, variables) == servers
    assert filters.message_bus_servers(["mq1"], variables) == filters.message_bus_servers([], {}) == ["127.0.0.1:5672"]


@pytest.mark.parametrize(
    ("address", "word"), [("mq2", "mq2 is none"), ("2001:db8::1", "need IPv4"), ("127.0.0.1", "none")]
)
def test_an_address_that_the_others_cannot_use_is_refused(address: str, word: str) -> None:
    variables = {**HOSTVARS, "mq2": {"ansible_host": address}}
    problems = filters.message_bus_address_problems(HOSTS, variables)
    assert len(problems) == 1
    assert word in problems[0]
    assert "message_bus_host_address for mq2" in problems[0]
    with pytest.raises(AnsibleFilterError, match="message_bus_host_address"):
        filters.message_bus_addresses(HOSTS, variables)


def test_a_plan_of_the_inventory_and_the_order_of_its_hosts() -> None:
    read = {host: {**HOSTVARS[host], filters.STATE: {"message_bus": bus_member.as_dict(member())}} for host in HOSTS}
    plan = filters.message_bus_plan(HOSTS, read, "", False, COOKIE)
    assert (plan["problems"], plan["kind"]) == ((), "well")
    planned = {host: {**values, filters.PLAN: plan} for host, values in read.items()}
    assert filters.message_bus_order(HOSTS, planned) == ["mq3", "mq2", "mq1"]
    assert filters.message_bus_order(HOSTS, {}) == HOSTS
    unreached = {**read, "mq3": {**HOSTVARS["mq3"], filters.STATE: {"unreachable": True}}}
    assert "host mq3: the run does not reach it" in filters.message_bus_plan(HOSTS, unreached)["problems"][0]
    lost = filters.message_bus_plan(HOSTS, unreached, " mq3 ,", False, COOKIE)
    assert "does not run" not in " ".join(lost["problems"])


def test_a_node_runs_when_it_listens_for_clients() -> None:
    listeners = {NODES[0]: [{"protocol": "clustering"}, {"protocol": "amqp"}], NODES[1]: []}
    values = {"disk_nodes": [*NODES], "running_nodes": [NODES[1], NODES[0]], "partitions": {}, "listeners": listeners}
    assert bus_member.status_of(values, NODES[0]) == (NODES, NODES[:2], ())
    starting = {**values, "listeners": {NODES[0]: [{"protocol": "clustering"}]}, "partitions": {NODES[1]: [NODES[2]]}}
    assert bus_member.status_of(starting, NODES[0]) == (NODES, (NODES[1],), (NODES[1],))


def test_the_nodes_in_the_files_of_a_node(tmp_path: Path) -> None:
    node = bus_member.Node(NODES[0], data=tmp_path)
    assert node.saved() == ()
    node.folder.mkdir(parents=True)
    quoted = ",".join(f"'{name}'" for name in NODES)
    (node.folder / "cluster_nodes.config").write_text(f"{{[{quoted}],[{quoted}]}}.\n")
    (node.folder / "nodes_running_at_shutdown").write_text(f"['{NODES[1]}','{NODES[0]}'].\n")
    assert node.saved() == NODES
    assert node.saved("nodes_running_at_shutdown") == NODES[:2]
    former = tmp_path / "mnesia" / "rabbit@localhost"
    former.mkdir()
    (tmp_path / "mnesia" / "rabbit@localhost-feature_flags").touch()
    assert bus_member.former_nodes(NODES[0], tmp_path) == ()
    (former / "cluster_nodes.config").write_text("{[rabbit@localhost],[rabbit@localhost]}.\n")
    assert bus_member.former_nodes(NODES[0], tmp_path) == (Former("rabbit@localhost", ("rabbit@localhost",), -1),)


# In a process of its own, since Ansible's loader of plugins changes how Python imports collections.
SECRET = """
import sys
from pathlib import Path
from ansible.plugins.loader import init_plugin_loader, lookup_loader

init_plugin_loader()
lookup, folder = lookup_loader.get("grove.wsgi.message_bus_cookie"), Path(sys.argv[1])
predicted = lookup.run([str(folder)], predict=True)
assert not folder.exists() and len(predicted[0]) == 32
secret = lookup.run([str(folder)], predict=False)
assert secret == lookup.run([str(folder)], predict=False) and len(secret[0]) == 32
"""


def test_the_secret_of_the_members_is_written_once_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    completed = subprocess.run([sys.executable, "-c", SECRET, str(folder)], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    assert (folder / "erlang_cookie").stat().st_mode & 0o777 == 0o600
