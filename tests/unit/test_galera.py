"""Which database host starts a cluster, which ones join it, what is refused, and what Galera's files say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.filter import galera as filters
from ansible_collections.grove.wsgi.plugins.module_utils.database import galera
from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import Position, State, Status
from ansible_collections.grove.wsgi.plugins.plugin_utils import galera as plans

ADDRESSES = {"db1": "192.0.2.31", "db2": "192.0.2.32", "db3": "192.0.2.33"}
HOSTS = list(ADDRESSES)
CLUSTER, OTHER = "c81b2f30-cd2c-11f0-8000-0242ac110002", "d92c3041-cd2c-11f0-8000-0242ac110002"
GRASTATE = f"""# GALERA saved state
version: 2.1
uuid:    {CLUSTER}
seqno:   -1
safe_to_bootstrap: 0
"""
FRESH = State(True, False, Position(), (), Status("Disconnected"), "10.11", "debian 12")
OWN_DATA = dataclasses.replace(FRESH, databases=("nova",))
DOWN = dataclasses.replace(FRESH, saved=True, position=Position(CLUSTER), databases=("nova",), status=Status())
NOT_WHOLE = dataclasses.replace(DOWN, position=Position())
ALONE = dataclasses.replace(DOWN, status=Status("non-Primary", "Initialized", 1, CLUSTER))


def member(size: int = 3, uuid: str = CLUSTER) -> State:
    status = Status("Primary", "Synced", size, uuid, ready=True)
    return dataclasses.replace(DOWN, position=Position(uuid), status=status)


def decide(
    states: Mapping[str, State],
    lost: tuple[str, ...] = (),
    positions: Mapping[str, Position] | None = None,
    hosts: list[str] | None = None,
) -> plans.Plan:
    return plans.decide(hosts or HOSTS, ADDRESSES, states, lost, positions)


def three(*states: State) -> dict[str, State]:
    return dict(zip(HOSTS, states, strict=True))


def test_fresh_hosts_make_a_cluster_that_the_first_one_starts() -> None:
    plan = decide(three(FRESH, FRESH, FRESH))
    assert (plan.kind, plan.problems, plan.first, plan.order) == (plans.NEW, (), "db1", ("db1", "db2", "db3"))
    assert plan.sizes == {"db1": 1, "db2": 2, "db3": 3}


def test_the_host_with_databases_starts_the_cluster() -> None:
    plan = decide(three(FRESH, OWN_DATA, FRESH))
    assert (plan.first, plan.order, plan.sizes["db1"]) == ("db2", ("db2", "db1", "db3"), 2)


def test_a_cluster_that_serves_is_joined_and_its_first_member_changes_last() -> None:
    plan = decide(three(member(2), FRESH, member(2)))
    assert (plan.kind, plan.first, plan.order) == (plans.WELL, "", ("db2", "db3", "db1"))
    assert plan.sizes == {"db2": 3, "db3": 3, "db1": 3}
    assert decide(three(member(), member(), member())).order == ("db3", "db2", "db1")


def test_a_run_that_was_interrupted_after_the_first_host_goes_on() -> None:
    plan = decide(three(member(1), FRESH, FRESH))
    assert (plan.order, plan.sizes) == (("db2", "db3", "db1"), {"db2": 2, "db3": 3, "db1": 3})


@pytest.mark.parametrize("first", HOSTS)
def test_the_most_advanced_host_starts_a_cluster_that_is_down(first: str) -> None:
    positions = {host: Position(CLUSTER, 900 if host == first else 899) for host in HOSTS}
    before = decide(three(DOWN, ALONE, DOWN))
    assert (before.kind, before.problems, before.first) == (plans.RECOVER, (), "")
    plan = decide(three(DOWN, DOWN, DOWN), positions=positions)
    assert (plan.kind, plan.problems, plan.first, plan.order[0]) == (plans.RECOVER, (), first, first)
    assert plan.sizes[first] == 1
    assert f"{first} 900" in plan.reason


def test_of_equal_hosts_the_groups_first_one_starts_the_cluster() -> None:
    assert decide(three(DOWN, DOWN, DOWN), positions=dict.fromkeys(HOSTS, Position(CLUSTER, 7))).first == "db1"


def test_data_that_are_not_whole_are_not_compared() -> None:
    """The host was getting the data of the cluster, and had acknowledged nothing."""
    positions = {"db1": Position(), "db2": Position(CLUSTER, 7), "db3": Position(CLUSTER, 8)}
    plan = decide(three(NOT_WHOLE, DOWN, DOWN), positions=positions)
    assert (plan.problems, plan.first, plan.order) == ((), "db3", ("db3", "db1", "db2"))


def test_a_lost_host_that_is_named_is_left_out_or_joins() -> None:
    positions = {host: Position(CLUSTER, 7) for host in ("db1", "db2")}
    away = decide({"db1": DOWN, "db2": DOWN}, lost=("db3",), positions=positions)
    assert (away.problems, away.order) == ((), ("db1", "db2"))
    replaced = decide(three(DOWN, DOWN, FRESH), lost=("db3",), positions=positions)
    assert (replaced.problems, replaced.order) == ((), ("db1", "db2", "db3"))
    served = decide({"db1": member(2), "db2": member(2)}, lost=("db3",))
    assert (served.problems, served.order, served.sizes) == ((), ("db2", "db1"), {"db1": 2, "db2": 2})


def seeing(state: State, **peers: str) -> State:
    return dataclasses.replace(state, peers=peers)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (
            lambda: decide({"db1": FRESH, "db2": FRESH}, hosts=["db1", "db2"]),
            ["found 2 hosts (db1, db2)", "odd number"],
        ),
        (lambda: decide({}, hosts=["db1", "db2", "db3", "db4"]), ["found 4 hosts", "3, 5 or 7"]),
        (
            lambda: decide({"db1": FRESH, "db2": FRESH}),
            ["host db3: the run does not reach it", "database_lost_hosts=db3"],
        ),
        (lambda: decide({"db1": DOWN, "db2": DOWN}), ["host db3: the run does not reach it"]),
        (lambda: decide({"db1": FRESH, "db2": FRESH}, lost=("db3",)), ["found db3, and no host has data of a cluster"]),
        (lambda: decide(three(FRESH, FRESH, FRESH), lost=("db9",)), ["found db9, which is no host"]),
        (
            lambda: decide(three(DOWN, DOWN, DOWN), lost=("db3",)),
            [f"found db3, which is there with data of the cluster {CLUSTER}"],
        ),
        (
            lambda: decide({"db1": seeing(DOWN, db3="open"), "db2": DOWN}, lost=("db3",)),
            ["found db3, which answers db1 on port 4567 of 192.0.2.33", "switch the host off"],
        ),
        (
            lambda: decide(three(seeing(DOWN, db3="unreachable"), DOWN, DOWN)),
            ["host db1: it does not reach db3 at 192.0.2.33, port 4567"],
        ),
        (
            lambda: decide(three(dataclasses.replace(FRESH, address_is_here=False), FRESH, FRESH)),
            ["variable database_host_address: found 192.0.2.31 for db1, which no interface of the host has"],
        ),
        (
            lambda: plans.decide(HOSTS, {**ADDRESSES, "db2": "192.0.2.31"}, three(FRESH, FRESH, FRESH)),
            ["hosts db1 and db2: both have the address 192.0.2.31"],
        ),
        (
            lambda: decide(three(FRESH, dataclasses.replace(FRESH, series="11.8"), FRESH)),
            ["the series of MariaDB differs: found 10.11 on db1, 11.8 on db2, 10.11 on db3"],
        ),
        (
            lambda: decide(three(FRESH, FRESH, dataclasses.replace(FRESH, series="", system="debian 13"))),
            ["the distribution differs", "debian 13 on db3"],
        ),
        (lambda: decide(three(OWN_DATA, OWN_DATA, FRESH)), ["host db2: it has databases of its own (nova)"]),
        (lambda: decide(three(member(2), OWN_DATA, member(2))), ["host db2: it has databases of its own (nova)"]),
        (lambda: decide(three(NOT_WHOLE, FRESH, FRESH)), ["host db1: its data were not whole"]),
        (
            lambda: decide(three(member(2), member(2), dataclasses.replace(DOWN, position=Position(OTHER)))),
            [f"host db3: its data are of the cluster {OTHER}", f"db1 serves the cluster {CLUSTER}"],
        ),
        (lambda: decide(three(member(1), member(2, OTHER), member(2, OTHER))), ["these are several clusters"]),
        (lambda: decide(three(member(1), member(1), DOWN)), ["these are several clusters"]),
        (lambda: decide(three(member(2), member(2), ALONE)), ["host db3: its server runs, and is not in the cluster"]),
        (
            lambda: decide(three(DOWN, DOWN, FRESH)),
            ["host db3: it has no data of a cluster", "database_lost_hosts=db3"],
        ),
        (
            lambda: decide(three(DOWN, DOWN, dataclasses.replace(DOWN, position=Position(OTHER)))),
            [f"db3 has data of the cluster {OTHER}"],
        ),
        (
            lambda: decide(
                three(DOWN, DOWN, DOWN),
                positions={"db1": Position(CLUSTER, 5), "db2": Position(CLUSTER), "db3": Position(CLUSTER, 5)},
            ),
            ["host db2: the position of its data is unknown"],
        ),
        (
            lambda: decide(three(DOWN, DOWN, DOWN), positions=dict.fromkeys(HOSTS, Position())),
            ["group database: no host has whole data of the cluster"],
        ),
    ],
)
def test_what_is_refused(plan: Callable[[], plans.Plan], words: list[str]) -> None:
    text = "\n".join(plan().problems)
    assert [word for word in words if word not in text] == [], text


def test_no_plan_starts_a_cluster_while_a_host_is_not_seen() -> None:
    """Whatever the hosts are that the run reaches."""
    for one in (FRESH, OWN_DATA, DOWN, ALONE, NOT_WHOLE):
        for two in (FRESH, OWN_DATA, DOWN, ALONE, NOT_WHOLE):
            plan = decide(
                {"db1": one, "db2": two}, positions={"db1": Position(CLUSTER, 5), "db2": Position(CLUSTER, 6)}
            )
            assert (plan.first, plan.order) == ("", ())
            assert plan.problems


def test_no_plan_starts_a_cluster_beside_a_member() -> None:
    for one in (FRESH, OWN_DATA, DOWN, ALONE, NOT_WHOLE, member(1), member(3)):
        for two in (FRESH, OWN_DATA, DOWN, ALONE, NOT_WHOLE, member(2, OTHER)):
            assert decide(three(member(1), one, two)).first == ""


def test_the_saved_state_of_galera() -> None:
    assert galera.saved_position(GRASTATE) == Position(CLUSTER, -1)
    assert galera.saved_position(GRASTATE.replace("seqno:   -1", "seqno:   512")) == Position(CLUSTER, 512)
    assert galera.saved_position(GRASTATE.replace(CLUSTER, galera.NO_CLUSTER)) == Position()
    assert galera.saved_position("") == Position()


def test_the_recovered_position() -> None:
    text = f"2026-01-01 [Note] InnoDB: 10.11 started\n2026-01-01 0 [Note] WSREP: Recovered position: {CLUSTER}:812\n"
    assert galera.recovered_position(text) == Position(CLUSTER, 812)
    assert galera.recovered_position(text.replace(":812", ":812,0-1-9")) == Position(CLUSTER, 812)
    with pytest.raises(galera.GaleraError, match="prints no position"):
        galera.recovered_position("[ERROR] InnoDB: Corrupted page\n")


def test_the_status_of_a_server() -> None:
    rows = f"wsrep_cluster_size\t3\nwsrep_cluster_state_uuid\t{CLUSTER}\nwsrep_cluster_status\tPrimary\n"
    rows += "wsrep_local_state_comment\tSynced\nwsrep_ready\tON\n"
    assert galera.status_of(rows) == Status("Primary", "Synced", 3, CLUSTER, True)
    # A server without Galera.
    alone = (
        f"wsrep_cluster_size\t0\nwsrep_cluster_state_uuid\t{galera.NO_CLUSTER}\nwsrep_cluster_status\tDisconnected\n"
    )
    assert galera.status_of(alone) == Status("Disconnected")
    assert not Status("non-Primary", "Initialized", 1, CLUSTER).is_member


class Still:
    """A server that does not run."""

    def runs(self) -> bool:
        return False

    def settle(self) -> None:
        """Do nothing."""

    def started(self) -> float:
        return 0.0

    def start(self, *, first: bool, seconds: float) -> None:
        raise AssertionError("a check mode or a refusal starts nothing")

    def stop(self) -> None:
        raise AssertionError("it does not run")

    def is_barred(self) -> bool:
        return False

    def bar(self) -> None:
        raise AssertionError("a check mode or a refusal bars nothing")

    def recover(self) -> str:
        return f"WSREP: Recovered position: {CLUSTER}:31"


def test_the_position_of_a_server_that_was_killed_or_stopped(tmp_path: Path) -> None:
    host = galera.Member(Still(), tmp_path, str(tmp_path / "socket"))
    assert host.position() == Position()
    (tmp_path / galera.STATE).write_text(GRASTATE)
    assert host.position() == Position(CLUSTER, 31)
    (tmp_path / galera.STATE).write_text(GRASTATE.replace("seqno:   -1", "seqno:   512"))
    assert host.position() == Position(CLUSTER, 512)


def test_the_databases_in_a_data_folder(tmp_path: Path) -> None:
    for name in ("mysql", "performance_schema", "sys", "#innodb_redo", "lost+found", ".sst", "nova", "shop@002d1"):
        (tmp_path / name).mkdir()
    (tmp_path / "ibdata1").touch()
    assert galera.Member(Still(), tmp_path).databases() == ("nova", "shop@002d1")
    assert galera.Member(Still(), tmp_path / "none").databases() == ()


def test_check_mode_says_what_would_be_done(tmp_path: Path) -> None:
    host = galera.Member(Still(), tmp_path, str(tmp_path / "socket"))
    for first, action in ((True, "bootstrap"), (False, "join")):
        done = host.make_member(first=first, size=3, peers={}, files=[], seconds=1, dry=True)
        assert done == {"changed": True, "action": action}


def test_the_filters_of_the_role() -> None:
    hostvars: dict[str, dict[str, Any]] = {
        name: {"ansible_host": address, filters.STATE: {"galera": dataclasses.asdict(FRESH)}}
        for name, address in ADDRESSES.items()
    }
    plan = filters.galera_plan(HOSTS, hostvars)
    assert (plan["first"], plan["problems"], plan["sizes"]["db3"]) == ("db1", (), 3)
    hostvars["db1"][filters.PLAN] = plan
    assert filters.database_order(HOSTS, hostvars) == HOSTS
    assert filters.database_order(["db1"], {}) == ["db1"]
    hostvars["db3"][filters.STATE] = {"unreachable": True}
    assert "host db3: the run does not reach it" in "\n".join(filters.galera_plan(HOSTS, hostvars)["problems"])
    lost = filters.galera_plan(HOSTS, hostvars, "db3, db2")["problems"]
    assert not [text for text in lost if "does not reach it" in text]
    assert filters.database_peers(HOSTS, "db2", hostvars) == {"db1": "192.0.2.31", "db3": "192.0.2.33"}
    hostvars["db2"]["database_host_address"] = "2001:db8::32"
    assert filters.member_addresses(HOSTS, hostvars)["db2"] == "[2001:db8::32]"


def test_addresses_that_the_others_cannot_use() -> None:
    for wrong in ("db1.example.org", "127.0.0.1", "0.0.0.0"):
        (problem,) = filters.galera_address_problems(["db1"], {"db1": {"ansible_host": wrong}})
        assert f"and {wrong} is none; set database_host_address for db1" in problem
