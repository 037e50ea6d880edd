"""A fleet with a cluster of databases loses hosts while clients post samples, and keeps each acknowledged sample."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import machine
import pytest
from cluster_hosts import holders, is_whole, until
from host import start as start_again
from sample_clients import METER, PORT, Clients, Window
from served import Host
from updates import booting_again

REPOSITORY = Path(__file__).resolve().parents[2]
DATABASE_PORT, HEALTH_PORT = 3306, 9120
GOOD = 30
"""Good answers to posted samples, after which the clients are served again."""

GREETING = """
import socket
address, port = arguments
try:
    with socket.create_connection((address, port), 60) as connection:
        print(json.dumps(connection.recv(200).decode(errors="replace")))
except OSError:
    print(json.dumps(""))
"""
"""Prints what a server says first; nothing where it closes the connection."""


@dataclass
class Cluster:
    """The hosts, their clients, and the shared address. ``notes`` are for the end of the log."""

    balancers: list[Host]
    apis: list[Host]
    databases: list[Host]
    address: str
    clients: Clients
    folder: Path
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a sentence to the end of the log, and to the report, which is there if a later check is cut off."""
        self.notes.append(text)
        (self.folder / "report.txt").write_text("\n".join(self.notes) + "\n")

    def site(self) -> str:
        """Run site, which has to succeed; return its output."""
        return self.play("site.yml")

    def play(self, playbook: str, *options: str) -> str:
        """Run a playbook, which has to succeed; return its output."""
        inventory = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"))
        tool = str(Path(sys.executable).parent / "ansible-playbook")
        command = [tool, "-i", inventory, *options, playbook]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout

    def is_well(self) -> bool:
        """Return whether all database hosts are one cluster, one load balancer has the address, and the API answers."""
        return is_whole(self.databases) and len(holders(self.balancers, self.address)) == 1 and self.answers()

    def answers(self) -> bool:
        with suppress(OSError):
            return self.balancers[0].ask(PORT, "/healthcheck", address=self.address).status == 200
        return False

    def serving(self) -> list[str]:
        """Return which database hosts have clients of the account of telemetry."""
        query = "SELECT COUNT(*) FROM information_schema.processlist WHERE user LIKE 'telemetry%'"
        found = []
        for host in self.databases:
            with suppress(machine.HostError):
                if host.try_run("mariadb", "-Ne", query).stdout.strip() not in ("", "0"):
                    found.append(host.name)
        return found

    def served_again(self, since: float) -> None:
        """Wait until the clients get good answers again."""
        until(lambda: self.clients.answered(since) >= GOOD, "the clients get no good answers")

    @contextmanager
    def fault(self, text: str) -> Iterator[Window]:
        """Let clients work during the block, which makes a fault, until they are served again; note the figures."""
        with self.clients.running():
            self.served_again(time.monotonic())
            with self.clients.window() as window:
                yield window
                self.served_again(time.monotonic())
        self.note(f"{text}: {window}")


@pytest.fixture(scope="module")
def cluster(hosts: dict[str, Host]) -> Iterator[Cluster]:
    folder = REPOSITORY / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"]
    first, second, third, last = hosts["lb1"].address.split(".")
    address = f"{first}.{second}.{(int(third) + 128) % 256}.{last}"
    balancers, apis, databases = (
        [host for name, host in sorted(hosts.items()) if name.startswith(kind)] for kind in ("lb", "api", "db")
    )
    made = Cluster(balancers, apis, databases, address, Clients(address), folder)
    yield made
    print("\n".join(made.notes))


@pytest.mark.timeout(3600)  # a whole run on seven hosts that may be busy
def test_a_second_run_changes_nothing(cluster: Cluster) -> None:
    assert cluster.is_well()
    counts = re.findall(r"changed=(\d+)", cluster.site())
    assert counts == ["0"] * 7


def test_api_hosts_alone_reach_the_database(cluster: Cluster) -> None:
    """And load balancers alone ask a database host for its health."""
    for host in cluster.apis:
        assert "MariaDB" in host.python(GREETING, cluster.address, DATABASE_PORT)
    for host in (*cluster.balancers, *cluster.databases):
        assert host.python(GREETING, cluster.address, DATABASE_PORT) == ""
    own = cluster.databases[0].address
    program = "import urllib.request\nprint(json.dumps(urllib.request.urlopen(arguments[0], timeout=60).status))"
    for host in cluster.balancers:
        assert host.python(program, f"http://{own}:{HEALTH_PORT}/") == 200
    for host in (*cluster.apis, cluster.databases[1]):
        assert host.python(GREETING, own, HEALTH_PORT) == ""


def test_all_load_balancers_choose_the_same_database_host(cluster: Cluster) -> None:
    """The telemetry account has its connections there, and nowhere else."""
    with cluster.clients.running():
        cluster.served_again(time.monotonic())
        assert cluster.serving() == ["db1"]
    held = "import socket, time\ns = socket.create_connection((arguments[0], 3306), 60)\ns.recv(100)\ntime.sleep(60)"
    for balancer in cluster.balancers:
        program = f"arguments = [{balancer.address!r}]\n{held}"
        cluster.apis[0].run("systemd-run", "--collect", f"--unit=held-{balancer.name}", "python3", "-c", program)
    query = "SELECT DISTINCT SUBSTRING_INDEX(host, ':', 1) FROM information_schema.processlist WHERE host LIKE '%:%'"
    expected = {balancer.address for balancer in cluster.balancers}
    until(lambda: expected <= set(cluster.databases[0].run("mariadb", "-Ne", query).split()), "a balancer is missing")
    for host in cluster.databases[1:]:
        assert not expected & set(host.run("mariadb", "-Ne", query).split())
    for balancer in cluster.balancers:
        cluster.apis[0].run("systemctl", "stop", f"held-{balancer.name}")


@pytest.mark.timeout(3600)  # hosts start, which may be busy
def test_the_database_host_that_serves_is_killed(cluster: Cluster) -> None:
    lost = cluster.databases[0]
    address = lost.address
    with cluster.fault("the serving database host is killed"):
        machine.podman("kill", lost.container)
        until(lambda: cluster.serving() == ["db2"], lambda: f"clients are on {cluster.serving()}")
    with cluster.fault("it comes back"):
        start_again(lost.container, address)
        until(partial(is_whole, cluster.databases), "the cluster is not whole")
        until(lambda: cluster.serving() == ["db1"], lambda: f"clients are on {cluster.serving()}")


@pytest.mark.timeout(3600)  # hosts start, which may be busy
def test_all_database_hosts_restart_at_once(cluster: Cluster) -> None:
    """No run is needed: they find each other."""
    addresses = {host.container: host.address for host in cluster.databases}
    with cluster.fault("all database hosts restart at once"):
        for container in addresses:
            machine.podman("kill", container)
        for container, address in addresses.items():
            start_again(container, address)
        until(partial(is_whole, cluster.databases), "the cluster is not whole")


@pytest.mark.timeout(3600)  # a host that may be busy
def test_a_database_host_is_cut_off_from_its_clients(cluster: Cluster) -> None:
    """It stays in the cluster, so nobody but the load balancers can know."""
    cut_off = cluster.databases[0]
    routes = [f"{host.address}/32" for host in (*cluster.balancers, *cluster.apis)]
    with cluster.fault("a database host is cut off from load balancers and API hosts"):
        for route in routes:
            cut_off.run("ip", "route", "add", "unreachable", route)
        until(lambda: "db2" in cluster.serving(), lambda: f"clients are on {cluster.serving()}")
    assert is_whole(cluster.databases)
    with cluster.fault("it is reached again"):
        for route in routes:
            cut_off.run("ip", "route", "del", "unreachable", route)
        until(lambda: cluster.serving() == ["db1"], lambda: f"clients are on {cluster.serving()}")


@pytest.mark.timeout(3600)  # a host that may be busy
def test_a_database_host_is_taken_out_by_hand(cluster: Cluster) -> None:
    first = cluster.databases[0]
    with cluster.fault("a database host is taken out by hand"):
        first.run("systemctl", "stop", "grove-database-health")
        until(lambda: cluster.serving() == ["db2"], lambda: f"clients are on {cluster.serving()}")
    with cluster.fault("it is put back"):
        first.run("systemctl", "start", "grove-database-health")
        until(lambda: cluster.serving() == ["db1"], lambda: f"clients are on {cluster.serving()}")


@pytest.mark.timeout(3600)  # three hosts reboot, which may be busy
def test_the_database_hosts_reboot_one_after_the_other(cluster: Cluster) -> None:
    """The one that has the clients comes last, so the clients move twice: to another host, and back."""
    with booting_again(cluster.databases) as order, cluster.fault("the database hosts reboot in a run of update_hosts"):
        cluster.play("playbooks/update_hosts.yml", "--limit", "database", "--extra-vars", "reboot=always")
        until(lambda: cluster.serving() == ["db1"], lambda: f"clients are on {cluster.serving()}")
    assert order == ["db3", "db2", "db1"]
    assert is_whole(cluster.databases)


@pytest.mark.timeout(3600)  # hosts start, which may be busy
def test_the_active_load_balancer_is_killed(cluster: Cluster) -> None:
    (name,) = holders(cluster.balancers, cluster.address)
    active, backup = sorted(cluster.balancers, key=lambda host: host.name != name)
    address = active.address
    with cluster.fault("the active load balancer is killed"):
        machine.podman("kill", active.container)
        until(lambda: holders([backup], cluster.address) == [backup.name], "the address does not move")
    with cluster.fault("it comes back"):
        start_again(active.container, address)
        units = ("haproxy", "grove-database-proxy", "keepalived")
        until(lambda: active.try_run("systemctl", "is-active", *units).returncode == 0, "it does not start")
        assert holders(cluster.balancers, cluster.address) == [backup.name]


@pytest.mark.timeout(3600)  # hosts start, which may be busy
def test_an_api_host_is_killed(cluster: Cluster) -> None:
    lost = cluster.apis[0]
    address = lost.address
    with cluster.fault("an API host is killed"):
        machine.podman("kill", lost.container)
        # HAProxy leaves it out after three checks.
        time.sleep(10)
    with cluster.fault("it comes back"):
        start_again(lost.container, address)
        until(lambda: lost.try_run("systemctl", "is-active", "apache2").returncode == 0, "Apache does not start")


@pytest.mark.timeout(3600)  # a whole run on seven hosts that may be busy
def test_every_acknowledged_sample_is_there(cluster: Cluster) -> None:
    """On each database host. A later run changes nothing."""
    until(cluster.is_well, "the fleet is not well")
    query = "SET wsrep_sync_wait = 1; SELECT message_id FROM telemetry.sample"
    acknowledged = cluster.clients.acknowledged
    assert len(acknowledged) > 100
    there = {host.name: set(host.run("mariadb", "-Ne", query).split()) for host in cluster.databases}
    for name, ids in there.items():
        cluster.note(f"{name}: {len(acknowledged)} acknowledged, {len(ids)} there, {len(acknowledged - ids)} lost")
    assert [name for name, ids in there.items() if acknowledged - ids] == []
    assert len({frozenset(ids) for ids in there.values()}) == 1
    answer = cluster.balancers[0].ask(PORT, f"/v2/meters/{METER}/statistics", address=cluster.address)
    assert json.loads(answer.text)[0]["count"] == len(there["db1"])
    assert re.findall(r"changed=(\d+)", cluster.site()) == ["0"] * 7
