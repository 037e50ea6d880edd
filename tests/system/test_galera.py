"""A Galera cluster of three real servers on addresses of the loopback interface: start, join, loss and recovery.

The servers are the test's own processes. The scenario ``galera`` checks Debian's unit.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import GaleraError, Position, State
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits, peers
from ansible_collections.grove.wsgi.plugins.plugin_utils import galera as plans
from database_health import health_of, until_answer
from galera_server import OPTIONS, PATIENCE, SECONDS, Process

pytestmark = [
    pytest.mark.debian_packages("mariadb-server", "mariadb-backup", "galera-4", "socat"),
    pytest.mark.skipif(os.geteuid() != 0, reason="servers with accounts of their own need root"),
]

ADDRESSES = {"db1": "127.0.31.1", "db2": "127.0.31.2", "db3": "127.0.31.3"}


@dataclass
class Cluster:
    """Three hosts in one network."""

    folder: Path
    nodes: dict[str, Process] = field(default_factory=dict)

    def make(self, name: str) -> Process:
        """Make a fresh host, which has the data of a server that was in no cluster."""
        folder = self.folder / name
        folder.mkdir()
        owner = pwd.getpwnam("mysql")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        node = self.nodes[name] = Process(name, folder)
        values = {"name": name, "folder": folder, "address": ADDRESSES[name], "addresses": ",".join(ADDRESSES.values())}
        node.options.write_text(OPTIONS.format(patience=PATIENCE, **values))
        subprocess.run(
            [
                "mariadb-install-db",
                "--no-defaults",
                f"--datadir={folder / 'data'}",
                "--user=mysql",
                "--auth-root-authentication-method=socket",
                "--skip-test-db",
            ],
            check=True,
            capture_output=True,
        )
        return node

    def replace(self, name: str) -> None:
        """Lose a host with its data, and make a fresh one with its name."""
        self.nodes[name].kill()
        shutil.rmtree(self.nodes[name].folder)
        self.make(name)

    def peers(self, name: str) -> dict[str, str]:
        return {other: address for other, address in ADDRESSES.items() if other != name}

    def states(self, *without: str) -> dict[str, State]:
        """Return what a run reads on each host, apart from those that it does not reach."""
        return {
            name: node.member().read(ADDRESSES[name], self.peers(name))
            for name, node in self.nodes.items()
            if name not in without
        }

    def plan(
        self, *without: str, lost: tuple[str, ...] = (), positions: Mapping[str, Position] | None = None
    ) -> plans.Plan:
        return plans.decide(list(ADDRESSES), ADDRESSES, self.states(*without), lost, positions)

    def positions(self, *without: str) -> dict[str, Position]:
        return {name: node.member().position() for name, node in self.nodes.items() if name not in without}

    def carry_out(self, plan: plans.Plan) -> dict[str, str]:
        """Do what a plan says, one host after the other; return what was done by host."""
        assert plan.problems == ()
        done = {}
        for name in plan.order:
            done[name] = self.turn(name, plan)["action"]
        return done

    def turn(self, name: str, plan: plans.Plan, seconds: float = SECONDS) -> dict[str, Any]:
        node = self.nodes[name]
        return node.member().make_member(
            first=plan.first == name,
            size=plan.sizes[name],
            peers=self.peers(name),
            files=[node.options],
            seconds=seconds,
            dry=False,
        )

    def until_size(self, name: str, size: int) -> None:
        """Wait until a host sees a cluster of that many members."""
        deadline = time.monotonic() + SECONDS
        while (status := self.nodes[name].member().status()).size != size or not status.is_member:
            assert time.monotonic() < deadline, status
            time.sleep(0.1)

    def rows(self) -> dict[str, int]:
        """Return the number of rows that each host has, read when it has caught up with the others."""
        return {
            name: node.query("SELECT COUNT(*) FROM shop.orders")[0][0]
            for name, node in self.nodes.items()
            if node.runs() and not node.query("SET wsrep_sync_wait = 1")
        }


class Writer(threading.Thread):
    """A client that adds rows to a host until it fails, and counts those that were acknowledged."""

    def __init__(self, node: Process) -> None:
        super().__init__()
        self.node, self.acknowledged = node, 0
        self.ended = threading.Event()

    def run(self) -> None:
        with contextlib.suppress(pymysql.MySQLError, OSError):
            path = str(self.node.folder / "socket")
            with pymysql.connect(unix_socket=path, user="root", autocommit=True) as connection:
                cursor = connection.cursor()
                while not self.ended.is_set():
                    cursor.execute("INSERT INTO shop.orders (text) VALUES ('one')")
                    self.acknowledged += 1

    def until(self, rows: int) -> None:
        """Wait until more rows were acknowledged."""
        deadline = time.monotonic() + SECONDS
        while self.acknowledged < rows:
            assert self.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def end(self) -> int:
        """Return the number of acknowledged rows, when the client has ended."""
        self.ended.set()
        self.join(SECONDS)
        return self.acknowledged


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three fresh hosts. The tests of this module use them one after the other."""
    # The kernel limits the length of a socket's path.
    folder = Path(tempfile.mkdtemp(prefix="grove-galera-", dir="/var/tmp"))
    folder.chmod(0o755)
    made = Cluster(folder)
    try:
        for name in ADDRESSES:
            made.make(name)
        yield made
    finally:
        for node in made.nodes.values():
            node.kill()
        shutil.rmtree(folder, ignore_errors=True)


def words(plan: plans.Plan) -> str:
    return "\n".join(plan.problems)


def test_fresh_hosts_become_one_cluster(cluster: Cluster) -> None:
    plan = cluster.plan()
    assert (plan.kind, plan.first, plan.order) == (plans.NEW, "db1", ("db1", "db2", "db3"))
    assert cluster.carry_out(plan) == {"db1": "bootstrap", "db2": "join", "db3": "join"}
    states = cluster.states()
    assert len({state.status.uuid for state in states.values()}) == 1
    assert [state.status.size for state in states.values()] == [3, 3, 3]
    cluster.nodes["db1"].query("CREATE DATABASE shop")
    cluster.nodes["db1"].query(
        "CREATE TABLE shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(20)) ENGINE=InnoDB"
    )


def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    pids = [node.process.pid for node in cluster.nodes.values() if node.process]
    plan = cluster.plan()
    # The group's first host changes last.
    assert (plan.kind, plan.first, plan.order) == (plans.WELL, "", ("db3", "db2", "db1"))
    assert set(cluster.carry_out(plan).values()) == {"none"}
    assert pids == [node.process.pid for node in cluster.nodes.values() if node.process]


def test_a_changed_setting_restarts_one_host_after_the_other(cluster: Cluster) -> None:
    writer = Writer(cluster.nodes["db1"])
    writer.start()
    writer.until(20)
    plan = cluster.plan()
    smallest = 3
    for name in ("db3", "db2"):
        cluster.nodes[name].options.touch()
        assert cluster.turn(name, plan)["action"] == "restart"
        smallest = min(smallest, cluster.nodes["db1"].member().status().size)
    assert smallest == 3
    count = writer.end()
    assert count >= 20
    assert cluster.rows() == dict.fromkeys(ADDRESSES, count)
    cluster.nodes["db1"].options.touch()
    assert cluster.turn("db1", plan)["action"] == "restart"


def test_a_setting_that_mariadb_refuses_stops_at_the_first_host(cluster: Cluster) -> None:
    plan = cluster.plan()
    options = cluster.nodes["db3"].options
    well = options.read_text()
    options.write_text(well + "no_such_option = 1\n")
    with pytest.raises((GaleraError, subprocess.CalledProcessError)):
        cluster.turn("db3", plan)
    options.write_text(well)
    assert not cluster.nodes["db3"].runs()
    cluster.until_size("db1", 2)
    cluster.until_size("db2", 2)
    assert cluster.carry_out(cluster.plan()) == {"db3": "join", "db2": "none", "db1": "none"}


def test_no_host_starts_a_cluster_beside_one_that_serves(cluster: Cluster) -> None:
    """Whatever the plan said: the host looks for a member itself."""
    cluster.nodes["db3"].stop()
    plan = plans.Plan(plans.NEW, first="db3", sizes={"db3": 1})
    with pytest.raises(GaleraError, match=r"a member of a cluster listens on port 4567 of db1 \(127\.0\.31\.1\), db2"):
        cluster.turn("db3", plan)
    with pytest.raises(GaleraError, match="has become a member"):
        cluster.nodes["db1"].member().position()
    assert cluster.carry_out(cluster.plan())["db3"] == "join"


def test_all_hosts_are_killed_and_no_acknowledged_row_is_lost(cluster: Cluster) -> None:
    """The first host of the group is killed earlier, so its data are not the latest."""
    before = cluster.rows()["db1"]
    writer = Writer(cluster.nodes["db2"])
    writer.start()
    writer.until(50)
    cluster.nodes["db1"].kill()
    stale = writer.acknowledged
    # Galera needs a few seconds until it goes on without the host.
    writer.until(stale + 100)
    for name in ("db3", "db2"):
        cluster.nodes[name].kill()
    acknowledged = before + writer.end()

    plan = cluster.plan("db3")
    assert plan.first == ""
    assert "host db3: the run does not reach it, so it may be in a cluster that serves" in words(plan)
    plan = cluster.plan()
    assert (plan.kind, plan.first, plan.order, plan.problems) == (plans.RECOVER, "", (), ())
    positions = cluster.positions()
    assert positions["db1"].seqno < min(positions["db2"].seqno, positions["db3"].seqno)
    plan = cluster.plan(positions=positions)
    assert plan.first == max(positions, key=lambda name: positions[name].seqno)
    assert f"db1 {positions['db1'].seqno}" in plan.reason
    done = cluster.carry_out(plan)
    assert sorted(done.values()) == ["bootstrap", "join", "join"]
    rows = cluster.rows()
    assert len(set(rows.values())) == 1, rows
    # A row may be committed whose acknowledgement did not reach the client.
    assert 0 <= rows["db1"] - acknowledged <= 1, (rows, acknowledged)
    print(f"acknowledged {acknowledged}, there {rows['db1']}, positions {positions}")


def test_all_hosts_are_stopped_in_order_and_start_again(cluster: Cluster) -> None:
    rows = cluster.rows()
    for name in ("db1", "db2", "db3"):
        cluster.nodes[name].stop()
    positions = cluster.positions()
    assert all(position.seqno > 0 for position in positions.values())
    cluster.carry_out(cluster.plan(positions=positions))
    assert cluster.rows() == rows


def test_hosts_without_a_majority_do_not_serve_and_start_no_cluster_while_others_may(cluster: Cluster) -> None:
    """Two hosts stand still, so the third one sees what it would see behind a broken network."""
    others = [cluster.nodes[name].process for name in ("db2", "db3")]
    for process in others:
        assert process is not None
        process.send_signal(signal.SIGSTOP)
    alone = cluster.nodes["db1"].member()
    with health_of(cluster.nodes["db1"].folder, ADDRESSES["db1"]) as health:
        # wsrep_ready may change a moment earlier.
        until_answer(health, 503, "wsrep_")
    deadline = time.monotonic() + SECONDS
    while alone.status().is_member:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    plan = cluster.plan("db2", "db3")
    assert plan.problems
    assert plan.first == ""
    plan = cluster.plan("db2", "db3", lost=("db2", "db3"))
    assert "variable database_lost_hosts: found db2, which answers db1 on port 4567 of 127.0.31.2" in words(plan)
    for process in others:
        assert process is not None
        process.send_signal(signal.SIGCONT)
    for node in cluster.nodes.values():
        node.member().wait(3, SECONDS)
    assert set(cluster.carry_out(cluster.plan()).values()) == {"none"}


def test_a_replaced_host_gets_the_data(cluster: Cluster) -> None:
    rows = cluster.rows()
    cluster.replace("db1")
    plan = cluster.plan()
    assert (plan.kind, plan.order[0], plan.sizes["db1"]) == (plans.WELL, "db1", 3)
    assert cluster.carry_out(plan)["db1"] == "join"
    assert cluster.rows() == rows


def test_a_lost_host_has_to_be_named_before_the_others_start_without_it(cluster: Cluster) -> None:
    rows = cluster.rows()
    for node in cluster.nodes.values():
        node.kill()
    cluster.replace("db3")
    assert "host db3: it has no data of a cluster, and no member of the cluster serves" in words(cluster.plan())
    positions = cluster.positions()
    plan = cluster.plan(lost=("db3",), positions=positions)
    assert sorted(cluster.carry_out(plan).values()) == ["bootstrap", "join", "join"]
    assert cluster.rows() == rows


def test_what_a_host_sees_of_another_one() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.31.9", 0))
        port = listening.getsockname()[1]
        assert peers.seen("127.0.31.9", port) == peers.CLOSED
        listening.listen()
        assert peers.seen("127.0.31.9", port) == peers.OPEN
    assert peers.has_address("127.0.31.9")
    assert not peers.has_address("192.0.2.77")


def test_a_host_that_does_not_answer_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of the range for documentation, to which no route leads, or where no machine answers."""
    monkeypatch.setattr(limits, "CONNECT_SECONDS", 0.5)
    assert peers.seen("192.0.2.77", 4567) == peers.UNREACHABLE
