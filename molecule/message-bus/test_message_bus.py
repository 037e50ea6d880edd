"""Three message broker hosts are one cluster: they are killed, stopped, cut off, changed and replaced."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bus_clients
import host as hosts_of_tests
import machine
import pytest
from served import Host
from updates import booting_again, first_process

REPOSITORY = Path(__file__).resolve().parents[2]
SECONDS = 600.0
"""Until a node or a cluster is as expected: generous, for a busy machine."""
UNREAD = 100
ACCOUNTS = {
    "message_bus_users": [
        {
            "name": bus_clients.ACCOUNT,
            "service": "shop",
            "password": bus_clients.PASSWORD,
            "vhosts": [bus_clients.VHOST],
        }
    ],
    "message_bus_unread_notifications": UNREAD,
}


class Cluster:
    """The message broker hosts, and runs of the playbook ``site``."""

    def __init__(self, hosts: dict[str, Host]) -> None:
        self.hosts = [hosts[name] for name in ("mq1", "mq2", "mq3")]
        self.folder = REPOSITORY / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"]

    @property
    def addresses(self) -> list[str]:
        return [(self.folder / f"{host.name}.address").read_text().strip() for host in self.hosts]

    def try_site(self, **variables: object) -> tuple[bool, str]:
        """Run site; return whether it succeeded, and its output."""
        return self.try_play("site.yml", **variables)

    def try_play(self, playbook: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook; return whether it succeeded, and its output."""
        inventory = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"))
        tool = str(Path(sys.executable).parent / "ansible-playbook")
        command = [tool, "-i", inventory, "-e", json.dumps({**ACCOUNTS, **variables}), playbook]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        with (self.folder / "ansible.log").open("a") as log:
            log.write(output)
        return done.returncode == 0, output

    def site(self, **variables: object) -> str:
        """Run site, which has to succeed; return its output."""
        succeeded, output = self.try_site(**variables)
        assert succeeded, output[-4000:]
        return output

    def refused(self, *words: str, **variables: object) -> None:
        """Run site, which has to be refused with these words before it changes anything."""
        before = self.processes()
        succeeded, output = self.try_site(**variables)
        assert not succeeded
        # The output breaks long lines.
        text = " ".join(output.split())
        assert [word for word in words if word not in text] == [], output[-4000:]
        assert not re.search(r"changed=[1-9]", output)
        assert self.processes() == before

    def processes(self) -> list[str]:
        """Return the node's process id on each host; 0 where none runs."""
        show = ["systemctl", "show", "--property=MainPID", "--value", "rabbitmq-server"]
        return [host.try_run(*show).stdout.strip() for host in self.hosts if is_up(host)]

    def running(self, host: Host) -> list[str]:
        """Return the addresses of the members that a host sees running."""
        done = host.try_run("rabbitmqctl", "--quiet", "--formatter", "json", "cluster_status")
        if done.returncode:
            return []
        values: dict[str, Any] = json.loads(done.stdout)
        return sorted(name.partition("@")[2] for name in values["running_nodes"]) if not values["partitions"] else []

    def is_whole(self) -> bool:
        """Return whether all hosts are members of one cluster, and run."""
        return all(self.running(host) == sorted(self.addresses) for host in self.hosts)

    def copies(self) -> dict[str, int]:
        """Return the number of copies of each quorum queue."""
        expression = (
            '[io:format("~s ~b~n", [element(4, amqqueue:get_name(Q)),'
            " length(maps:get(nodes, amqqueue:get_type_state(Q)))])"
            " || Q <- rabbit_amqqueue:list_by_type(rabbit_quorum_queue)], done."
        )
        rows = self.hosts[0].run("rabbitmqctl", "--quiet", "eval", expression).splitlines()
        return {row.split()[0]: int(row.split()[1]) for row in rows if " " in row}


def is_up(host: Host) -> bool:
    return machine.podman("inspect", "--format", "{{.State.Running}}", host.container).strip() == "true"


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.fixture(scope="module")
def cluster(hosts: dict[str, Host]) -> Cluster:
    return Cluster(hosts)


def test_the_hosts_are_one_cluster_that_listens_on_their_own_addresses(cluster: Cluster) -> None:
    assert cluster.is_whole()
    cluster.site()
    for host, address in zip(cluster.hosts, cluster.addresses, strict=True):
        listening = {line.split()[3] for line in host.run("ss", "-Hltn").splitlines()}
        ports = {one for one in listening if one.rpartition(":")[2] in ("4369", "5672", "25672")}
        assert ports == {f"{address}:5672", f"{address}:25672", f"{address}:4369", "127.0.0.1:4369"}
        cookie = host.run("stat", "--format=%a %U", "/var/lib/rabbitmq/.erlang.cookie")
        assert cookie.split() == ["400", "rabbitmq"]
    assert "changed=0" in cluster.site()


def test_unread_notifications_are_limited(cluster: Cluster) -> None:
    bus_clients.notify(cluster.addresses, "notifications", 3 * UNREAD)
    assert cluster.copies()["notifications.info"] == 3
    command = ["rabbitmqctl", "--quiet", "-p", bus_clients.VHOST, "list_queues", "--local", "name", "messages"]

    def kept() -> int:
        rows = [row.split() for host in cluster.hosts for row in host.run(*command).splitlines()]
        return next(int(row[1]) for row in rows if row[0] == "notifications.info")

    until(lambda: kept() == UNREAD)


def test_no_notification_is_lost_when_a_host_is_killed(cluster: Cluster) -> None:
    victim, address = cluster.hosts[0], cluster.addresses[0]
    with bus_clients.traffic(cluster.addresses) as seen:
        machine.podman("kill", victim.container)
        killed = time.monotonic()
        until(lambda: seen.answered_after(killed + bus_clients.CALL_SECONDS))
        time.sleep(5)
        hosts_of_tests.start(victim.container, address)
        until(cluster.is_whole)
    print(f"acknowledged {len(seen.acknowledged)}, longest pause of the calls {seen.longest_pause():.1f} s")
    assert seen.lost == []
    assert "changed=0" in cluster.site()


def test_all_hosts_come_back_without_a_run_and_lose_no_notification(cluster: Cluster) -> None:
    with bus_clients.traffic(cluster.addresses) as seen:
        for host in cluster.hosts:
            host.run("systemctl", "kill", "--signal=KILL", "rabbitmq-server")
        killed = time.monotonic()
        until(cluster.is_whole)
        until(lambda: seen.answered_after(killed + bus_clients.CALL_SECONDS))
    print(f"acknowledged {len(seen.acknowledged)}, longest pause of the calls {seen.longest_pause():.1f} s")
    assert seen.lost == []


def test_a_changed_setting_restarts_one_host_after_the_other_and_loses_nothing(cluster: Cluster) -> None:
    before = cluster.processes()
    with bus_clients.traffic(cluster.addresses) as seen:
        cluster.site(message_bus_config={"log.file.level": "info"})
    print(f"acknowledged {len(seen.acknowledged)}, longest pause of the calls {seen.longest_pause():.1f} s")
    assert not set(before) & set(cluster.processes())
    assert seen.lost == []
    assert cluster.is_whole()


def test_a_bad_setting_stops_at_the_first_host(cluster: Cluster) -> None:
    before = cluster.processes()
    succeeded, output = cluster.try_site(message_bus_config={"no.such.setting": "1"})
    assert not succeeded, output[-4000:]
    assert cluster.processes()[:2] == before[:2]
    cluster.site()
    assert cluster.is_whole()


@pytest.mark.timeout(3600)  # three hosts reboot, which may be busy
def test_hosts_reboot_one_after_the_other_and_lose_nothing(cluster: Cluster) -> None:
    boots = [first_process(host) for host in cluster.hosts]
    with booting_again(cluster.hosts) as order, bus_clients.traffic(cluster.addresses) as seen:
        succeeded, output = cluster.try_play("playbooks/update_hosts.yml", reboot="always")
    print(f"acknowledged {len(seen.acknowledged)}, longest pause of the calls {seen.longest_pause():.1f} s")
    assert succeeded, output[-4000:]
    assert order == ["mq3", "mq2", "mq1"]
    assert not set(boots) & {first_process(host) for host in cluster.hosts}
    assert seen.lost == []
    assert cluster.is_whole()


def test_no_host_is_updated_while_a_node_is_away(cluster: Cluster) -> None:
    cluster.hosts[2].run("systemctl", "stop", "rabbitmq-server")
    before = cluster.processes()
    succeeded, output = cluster.try_play("playbooks/update_hosts.yml", reboot="always")
    assert not succeeded
    assert "3 members do not run together" in " ".join(output.split())
    assert not re.search(r"changed=[1-9]", output)
    assert cluster.processes() == before
    cluster.site()
    assert cluster.is_whole()


def test_a_run_starts_a_cluster_whose_hosts_were_stopped_in_turn(cluster: Cluster) -> None:
    for host in cluster.hosts:
        host.run("systemctl", "stop", "rabbitmq-server")
    cluster.site()
    assert cluster.is_whole()


def test_a_host_that_the_others_do_not_reach_is_refused(cluster: Cluster) -> None:
    cut_off, others = cluster.hosts[2], cluster.hosts[:2]
    routes = [f"{address}/32" for address in cluster.addresses[:2]]
    for route in routes:
        cut_off.run("ip", "route", "add", "unreachable", route)
    try:
        # A member in a minority stops.
        until(lambda: cluster.running(cut_off) == [])
        cluster.refused("host mq3: it does not reach mq1", "nothing was changed")
        until(lambda: all(cluster.running(other) == sorted(cluster.addresses[:2]) for other in others))
    finally:
        for route in routes:
            cut_off.run("ip", "route", "del", "unreachable", route)
    until(cluster.is_whole)


def test_a_lost_host_is_refused_and_a_fresh_one_replaces_it(cluster: Cluster) -> None:
    lost = cluster.hosts[2].container
    machine.podman("stop", "--time=0", lost)
    succeeded, output = cluster.try_site()
    assert not succeeded
    assert "host mq3: the run does not reach it" in " ".join(output.split())
    assert not re.search(r"changed=[1-9]", output)
    cluster.site(message_bus_lost_hosts="mq3")
    assert cluster.running(cluster.hosts[0]) == sorted(cluster.addresses[:2])
    address = hosts_of_tests.create(lost, "bookworm", network=True, owner=str(REPOSITORY))
    (cluster.folder / "mq3.address").write_text(address)
    cluster.site()
    assert cluster.is_whole()
    assert set(cluster.copies().values()) == {3}
