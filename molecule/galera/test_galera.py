"""Three database hosts are one cluster: they are killed, cut off, changed and replaced, and others join."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import host as hosts_of_tests
import machine
import pytest
from cluster_hosts import SECONDS, is_whole, until, wsrep_status
from served import Host
from updates import booting_again, first_process, is_off, is_updated, offer_update

REPOSITORY = Path(__file__).resolve().parents[2]
ADD_ROWS = "while mariadb -e \"INSERT INTO shop.orders (text) VALUES ('one')\"; do echo; done"
"""Adds rows until the server fails, and prints a line for each that was acknowledged."""
SERVER = "mariadb-server"
"""The package of the server, which restarts it after an upgrade."""
MAIN_PROCESS = ("systemctl", "show", "--property=MainPID", "--value", "mariadb")


class Cluster:
    """The database hosts, and runs of the playbook ``site``."""

    def __init__(self, hosts: dict[str, Host]) -> None:
        self.hosts = [hosts[name] for name in ("db1", "db2", "db3")]
        self.folder = REPOSITORY / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"]
        self.inventories = [str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"))]

    def try_site(self, **variables: object) -> tuple[bool, str]:
        """Run site; return whether it succeeded, and its output."""
        return self.try_play("site.yml", **variables)

    def play(self, playbook: str, *options: str, **variables: object) -> str:
        """Run a playbook, which has to succeed; return its output."""
        succeeded, output = self.try_play(playbook, *options, **variables)
        assert succeeded, output[-4000:]
        return output

    def try_play(self, playbook: str, *options: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook; return whether it succeeded, and its output."""
        tool = str(Path(sys.executable).parent / "ansible-playbook")
        inventories = [word for path in self.inventories for word in ("-i", path)]
        command = [tool, *inventories, "-e", json.dumps(variables), *options, playbook]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        with (self.folder / "ansible.log").open("a") as log:
            log.write(output)
        return done.returncode == 0, output

    def site(self, **variables: object) -> str:
        """Run site, which has to succeed; return its output."""
        return self.play("site.yml", **variables)

    def refused(self, *words: str, playbook: str = "site.yml", **variables: object) -> None:
        """Run a playbook, which has to be refused with these words before it changes anything."""
        before = self.processes()
        succeeded, output = self.try_play(playbook, **variables)
        assert not succeeded
        # The output breaks long lines.
        text = " ".join(output.split())
        assert [word for word in words if word not in text] == [], output[-4000:]
        assert not re.search(r"changed=[1-9]", output)
        assert self.processes() == before

    def processes(self) -> list[str]:
        """Return the server's process id on each host; 0 where none runs."""
        return [host.try_run(*MAIN_PROCESS).stdout.strip() for host in self.hosts]

    def is_whole(self) -> bool:
        """Return whether all hosts are synced members of one cluster."""
        return is_whole(self.hosts)

    def rows(self) -> int:
        """Return the number of rows, which has to be the same on all hosts."""
        query = "SET wsrep_sync_wait = 1; SELECT COUNT(*) FROM shop.orders"
        counts = {host.name: int(host.run("mariadb", "-Ne", query)) for host in self.hosts}
        assert len(set(counts.values())) == 1, counts
        return counts["db1"]

    def fresh(self, name: str, container: str) -> None:
        """Make a fresh machine with the name of a host, at an address that may be another one."""
        address = hosts_of_tests.create(container, "bookworm", network=True, owner=str(REPOSITORY))
        (self.folder / f"{name}.address").write_text(address)

    @contextmanager
    def with_five(self) -> Iterator[None]:
        """Let the inventory have five hosts during the block, two of them fresh machines."""
        first, three = self.hosts[0], self.hosts
        # The hosts' names have those of the inventory in them.
        new = [
            dataclasses.replace(first, name=name, container=first.container.replace("-db1-", f"-{name}-"))
            for name in ("db4", "db5")
        ]
        inventory = self.folder / "hosts-more.yml"
        inventory.write_text(json.dumps({"database": {"hosts": {host.name: {} for host in new}}}))
        self.inventories.append(str(inventory))
        try:
            for host in new:
                self.fresh(host.name, host.container)
            self.hosts = [*three, *new]
            yield
        finally:
            self.inventories.remove(str(inventory))
            self.hosts = three
            for host in new:
                hosts_of_tests.destroy(host.container)

    @contextmanager
    def writing(self, host: Host) -> Iterator[list[str]]:
        """Add rows on a host during the block; afterwards the list has an entry for each acknowledged one."""
        acknowledged: list[str] = []
        process = subprocess.Popen(
            [*machine.enter(host.container), "sh", "-c", ADD_ROWS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: acknowledged.extend(line.decode() for line in process.stdout or ()))
        reader.start()
        try:
            until(lambda: len(acknowledged) > 20)
            yield acknowledged
        finally:
            host.try_run("pkill", "-f", "INSERT INTO shop.orders")
            reader.join(SECONDS)
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(hosts: dict[str, Host]) -> Cluster:
    return Cluster(hosts)


def test_the_hosts_are_one_cluster(cluster: Cluster) -> None:
    assert cluster.is_whole()
    cluster.hosts[0].run("mariadb", "-e", "CREATE DATABASE shop")
    columns = "id BIGINT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(20)"
    cluster.hosts[0].run("mariadb", "-e", f"CREATE TABLE shop.orders ({columns}) ENGINE=InnoDB")
    assert cluster.rows() == 0


def test_killed_servers_come_back_without_a_run_and_lose_no_row(cluster: Cluster) -> None:
    with cluster.writing(cluster.hosts[1]) as acknowledged:
        for host in cluster.hosts:
            host.run("systemctl", "kill", "--signal=KILL", "mariadb")
    until(cluster.is_whole)
    # The last row may be committed without its acknowledgement.
    assert 0 <= cluster.rows() - len(acknowledged) <= 1
    assert "changed=0" in cluster.site()


def test_a_run_starts_the_most_advanced_host_first(cluster: Cluster) -> None:
    """All hosts stop in order, so none of them finds a cluster when it starts."""
    before = cluster.rows()
    cluster.hosts[0].run("systemctl", "stop", "mariadb")
    cluster.hosts[1].run("mariadb", "-e", "INSERT INTO shop.orders (text) VALUES ('late')")
    cluster.hosts[1].run("systemctl", "stop", "mariadb")
    cluster.hosts[2].run("systemctl", "stop", "mariadb")
    output = " ".join(cluster.site().split())
    assert re.search(r"db[23] starts the cluster, since its data have come furthest", output)
    assert cluster.is_whole()
    assert cluster.rows() == before + 1


def test_a_host_that_the_others_do_not_reach_is_refused(cluster: Cluster) -> None:
    cut_off, others = cluster.hosts[2], cluster.hosts[:2]
    routes = [f"{other.address}/32" for other in others]
    for route in routes:
        cut_off.run("ip", "route", "add", "unreachable", route)
    try:
        until(lambda: wsrep_status(cut_off).get("wsrep_cluster_status") == "non-Primary")
        cluster.refused("host db3: it does not reach db1", "nothing was changed")
        assert wsrep_status(others[0])["wsrep_cluster_size"] == "2"
        # Without a cluster that serves, the run starts none while a host is cut off.
        for other in others:
            other.run("systemctl", "stop", "mariadb")
        cluster.refused("host db3: it does not reach db1")
    finally:
        for route in routes:
            cut_off.run("ip", "route", "del", "unreachable", route)
    cluster.site()
    assert cluster.is_whole()


def test_a_changed_setting_restarts_the_hosts_and_a_bad_one_stops_at_the_first(cluster: Cluster) -> None:
    before = cluster.processes()
    cluster.site(database_galera_config={"wsrep_slave_threads": 2})
    assert not set(before) & set(cluster.processes())
    assert cluster.is_whole()
    before = cluster.processes()
    succeeded, output = cluster.try_site(
        database_galera_config={"wsrep_slave_threads": 2, "wsrep_provider": "/nothing"}
    )
    assert not succeeded, output[-4000:]
    assert cluster.processes()[:2] == before[:2]
    assert wsrep_status(cluster.hosts[0])["wsrep_cluster_size"] == "2"
    cluster.site()
    assert cluster.is_whole()


@pytest.mark.timeout(3600)  # packages are upgraded on three hosts, which may be busy
def test_packages_are_updated_on_one_host_after_the_other(cluster: Cluster) -> None:
    """Each server restarts with its update, while the others are members."""
    rows, before = cluster.rows(), cluster.processes()
    boots = [first_process(host) for host in cluster.hosts]
    for host in cluster.hosts:
        offer_update(host, "+one", SERVER)
        # A check reads no lists.
        host.run("apt-get", "-qq", "update")
    text = cluster.play("playbooks/update_hosts.yml", "--check", reboot="never")
    assert cluster.processes() == before
    assert text.count("would be upgraded: ") == 3
    with cluster.writing(cluster.hosts[0]) as acknowledged:
        cluster.play("playbooks/update_hosts.yml", reboot="never")
    versions = [host.run("dpkg-query", "--show", "--showformat=${Version}", SERVER) for host in cluster.hosts]
    assert [version.endswith("+one") for version in versions] == [True] * 3
    assert all(new != old for new, old in zip(cluster.processes(), before, strict=True))
    assert [first_process(host) for host in cluster.hosts] == boots
    assert cluster.is_whole()
    # The writer ends when its own server restarts, as the last one.
    assert 0 <= cluster.rows() - rows - len(acknowledged) <= 1
    assert not re.search(r"changed=[1-9]", cluster.play("playbooks/update_hosts.yml", reboot="never"))


@pytest.mark.timeout(3600)  # three hosts reboot, which may be busy
def test_hosts_reboot_one_after_the_other(cluster: Cluster) -> None:
    """With reboot=auto, a host reboots because its server runs with a library that the update has replaced."""
    first = cluster.hosts[0]
    boots = [first_process(host) for host in cluster.hosts]
    for host in cluster.hosts:
        offer_update(host, "+two")
    rows, before = cluster.rows(), cluster.processes()
    with booting_again(cluster.hosts) as order, cluster.writing(first) as acknowledged:
        cluster.play("playbooks/update_hosts.yml", "--limit", "db2,db3")
        assert cluster.processes()[0] == before[0]
    assert order == ["db3", "db2"]
    assert 0 <= cluster.rows() - rows - len(acknowledged) <= 1
    with booting_again(cluster.hosts) as order:
        cluster.play("playbooks/update_hosts.yml")
    assert order == ["db1"]
    assert not set(boots) & {first_process(host) for host in cluster.hosts}
    assert all(is_updated(host, "+two") for host in cluster.hosts)
    assert cluster.is_whole()


@pytest.mark.timeout(1800)  # a host reboots, which may be busy
def test_one_run_at_a_time_works_on_the_cluster(cluster: Cluster) -> None:
    """A second run is refused while the host that reboots is away, also if it would work on another host."""
    before, update, away = cluster.processes(), "playbooks/update_hosts.yml", cluster.hosts[2]
    address = away.address
    with ThreadPoolExecutor() as pool:
        running = pool.submit(cluster.play, update, "--limit", away.name, reboot="always")
        until(lambda: running.done() or is_off(away))
        try:
            refused = [cluster.try_play(update, "--limit", "db1", reboot="always"), cluster.try_play("site.yml")]
        finally:
            hosts_of_tests.start(away.container, address)
        running.result()
    words = "cluster of the group database: another run ("
    assert [(succeeded, words in " ".join(output.split())) for succeeded, output in refused] == [(False, True)] * 2
    assert not [output for _, output in refused if re.search(r"changed=[1-9]", output)]
    assert cluster.processes()[:2] == before[:2]
    assert cluster.is_whole()
    assert not re.search(r"changed=[1-9]", cluster.site())


def test_no_host_is_updated_while_a_member_is_away(cluster: Cluster) -> None:
    cluster.hosts[2].run("systemctl", "stop", "mariadb")
    words = "the server is not a synced member of a cluster of 3: found"
    cluster.refused(words, playbook="playbooks/update_hosts.yml", reboot="always")
    cluster.site()
    assert cluster.is_whole()


def test_a_lost_host_is_refused_and_a_fresh_one_replaces_it(cluster: Cluster) -> None:
    rows = cluster.rows()
    lost = cluster.hosts[2].container
    cluster.refused("host db3: it is not lost, but a member", playbook="playbooks/replace.yml", host="db3")
    machine.podman("stop", "--time=0", lost)
    succeeded, output = cluster.try_site()
    assert not succeeded
    assert "host db3: the run does not reach it" in " ".join(output.split())
    assert not re.search(r"changed=[1-9]", output)
    # A lost host stops no backup.
    assert "would be copied" in " ".join(cluster.play("playbooks/backup.yml", "--check").split())
    cluster.site(database_lost_hosts="db3")
    cluster.fresh("db3", lost)
    before = [host.run(*MAIN_PROCESS) for host in cluster.hosts[:2]]
    with cluster.writing(cluster.hosts[0]) as acknowledged:
        cluster.play("playbooks/replace.yml", host="db3")
    assert [host.run(*MAIN_PROCESS) for host in cluster.hosts[:2]] == before
    assert cluster.is_whole()
    assert 0 <= cluster.rows() - rows - len(acknowledged) <= 1
    cluster.refused("host db3: it is not lost, but a member", playbook="playbooks/replace.yml", host="db3")
    assert re.findall(r"changed=(\d+)", cluster.site()) == ["0", "0", "0"]


@pytest.mark.timeout(1800)  # two hosts are set up from nothing, and may be busy
def test_two_hosts_join_and_two_leave(cluster: Cluster) -> None:
    rows = cluster.rows()
    before = cluster.processes()
    cluster.refused("without db3, it has 2 hosts", playbook="playbooks/scale_in.yml", host="db3")
    with cluster.with_five():
        words = "host db5: it is no member of the cluster, and scale_out does not change"
        cluster.refused(words, playbook="playbooks/scale_out.yml", host="db4")
        with cluster.writing(cluster.hosts[1]) as acknowledged:
            cluster.play("playbooks/scale_out.yml", host="db4,db5")
        assert cluster.processes()[:3] == before
        assert cluster.is_whole()
        assert 0 <= cluster.rows() - rows - len(acknowledged) <= 1
        assert re.findall(r"changed=(\d+)", cluster.site()) == ["0"] * 5
        cluster.refused("without db5, it has 4 hosts", playbook="playbooks/scale_in.yml", host="db5")
        rows, leaving = cluster.rows(), cluster.hosts[3:]
        with cluster.writing(cluster.hosts[1]) as acknowledged:
            output = cluster.play("playbooks/scale_in.yml", host="db4,db5")
        assert "Remove them from the inventory" in " ".join(output.split())
        for host in leaving:
            assert host.try_run("systemctl", "is-enabled", "mariadb").stdout.strip() == "masked"
            assert host.try_run("systemctl", "start", "mariadb").returncode != 0
        cluster.hosts = cluster.hosts[:3]
        assert cluster.processes() == before
        assert cluster.is_whole()
        assert 0 <= cluster.rows() - rows - len(acknowledged) <= 1
        again = cluster.play("playbooks/scale_in.yml", host="db4,db5")
        assert not re.search(r"changed=[1-9]", again)
    assert re.findall(r"changed=(\d+)", cluster.site()) == ["0", "0", "0"]


def test_a_backup_of_a_serving_cluster_goes_back_to_fresh_hosts_with_every_row(cluster: Cluster) -> None:
    backups = cluster.folder / "backups"
    shutil.rmtree(backups, ignore_errors=True)
    before = cluster.rows()
    with cluster.writing(cluster.hosts[0]) as acknowledged:
        first = before + len(acknowledged)
        cluster.play("playbooks/backup.yml", database_backup_dir=str(backups))
        last = before + len(acknowledged)
    # The writers of the other members went on meanwhile.
    assert last - first > 20
    [backup] = backups.glob("*Z")
    manifest = json.loads((backup / "manifest.json").read_text())
    rows = manifest["databases"]["shop"]["orders"]
    assert first <= rows <= last + 1
    # The member that clients write to is not the one that is copied.
    assert manifest["host"] in ("db2", "db3")

    succeeded, output = cluster.try_play("playbooks/restore.yml", backup=str(backup))
    assert not succeeded
    assert "host db1: it has databases of its own (shop)" in " ".join(output.split())
    assert not re.search(r"changed=[1-9]", output)

    for host in cluster.hosts:
        address = hosts_of_tests.create(host.container, "bookworm", network=True, owner=str(REPOSITORY))
        (cluster.folder / f"{host.name}.address").write_text(address)
    cluster.play("playbooks/restore.yml", backup=str(backup))
    output = " ".join(cluster.site().split())
    assert "db1 starts the cluster, since it has databases" in output
    assert cluster.is_whole()
    assert cluster.rows() == rows
