"""A second load balancer joins the fleet. keepalived moves the address that both share."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import machine
import pytest
from cluster_hosts import holders
from host import start as start_again
from load import summary
from load.process import under_load
from load.run_folder import RunFolder
from served import Host
from test_cluster import LOAD, SECONDS, Fleet, has_request, marked_requests, wait_for
from updates import booting_again, first_process

PORT = 8300
"""Of the load app."""
MOVE = 3.0
"""Seconds in which clients have the lost load balancer's address again."""
BUSY = 3.0
"""Seconds more, on a machine that is busy with other tests."""
STAYS = 6.0
"""Seconds without a move, after which none comes: twice as long as a load balancer waits for adverts."""


@dataclass
class Pair:
    """The fleet with two load balancers and their shared address."""

    fleet: Fleet
    hosts: list[Host]
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}:{PORT}/"

    def holders(self) -> list[str]:
        """Return which load balancers have the address."""
        return holders(self.hosts, self.address)

    def sorted(self) -> tuple[Host, Host]:
        """Return the load balancer with the address, and the backup."""
        (name,) = self.holders()
        active, backup = sorted(self.hosts, key=lambda host: host.name != name)
        return active, backup

    def moves(self, host: Host) -> int:
        """Return how often the address has come to a host since its start."""
        command = ("journalctl", "--boot", "--unit=keepalived", "--output=cat")
        return host.run(*command).count("Entering MASTER STATE")

    def inventory(self, *names: str) -> tuple[str, str]:
        """Return the options by which a run knows these load balancers and the address."""
        path = self.fleet.folder / f"{len(names)}-load-balancers.yml"
        group = {"hosts": dict.fromkeys(names), "vars": {"load_balancer_address": self.address}}
        path.write_text(json.dumps({"all": {"children": {"load_balancers": group}}}))
        return "-i", str(path)

    @property
    def both(self) -> tuple[str, str]:
        return self.inventory("lb1", "lb2")

    @contextmanager
    def load(self, part: str) -> Iterator[RunFolder]:
        """Put load on the shared address during the block, and note the figures."""
        with under_load(self.url.rstrip("/"), self.fleet.folder / part.replace(" ", "-"), *LOAD) as run:
            yield run
        total = summary.summarize(run).total
        self.fleet.note(f"{part}: {total.requests} requests, {total.failed} failed: {total.by_outcome}")


@pytest.fixture(scope="module")
def pair(hosts: dict[str, Host]) -> Iterator[Pair]:
    folder = Path(__file__).resolve().parents[2] / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"]
    fleet = Fleet(hosts["lb1"], [hosts["api1"], hosts["api2"]], folder)
    # podman gives out the addresses of its network from the lowest on.
    first, second, third, last = fleet.lb.address.split(".")
    address = f"{first}.{second}.{int(third) ^ 128}.{last}"
    yield Pair(fleet, [hosts["lb1"], hosts["lb2"]], address)
    print("\n".join(fleet.notes))
    (folder / "report-shared-address.txt").write_text("\n".join(fleet.notes) + "\n")


@dataclass
class Watch:
    """A client that sends a request on a connection of its own every 0.1 s. ``answered``: when answers came."""

    url: str
    answered: list[float] = field(default_factory=list)
    failed: int = 0

    @contextmanager
    def running(self) -> Iterator[Watch]:
        done = threading.Event()
        with ThreadPoolExecutor(max_workers=32) as pool:

            def send() -> None:
                while not done.wait(0.1):
                    pool.submit(self._ask)

            thread = threading.Thread(target=send)
            thread.start()
            try:
                yield self
            finally:
                done.set()
                thread.join()

    def _ask(self) -> None:
        try:
            # A lost packet would be sent again after a second, which belongs to the request and not to the move.
            with urlopen(self.url, timeout=0.9) as answer:
                answer.read()
        except (URLError, OSError):
            self.failed += 1
        else:
            self.answered.append(time.monotonic())

    def silence(self) -> float:
        """Return the longest time between two answers, in seconds."""
        times = sorted(self.answered)
        return max((after - before for before, after in pairwise(times)), default=float("inf"))


def answers(pair: Pair) -> bool:
    """Return whether the load app answers on the shared address."""
    try:
        with urlopen(pair.url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def stays(pair: Pair, host: Host) -> None:
    """Check that a load balancer keeps the address.

    The other one may take it for a moment, too, where the machine is so busy that adverts are late.
    """
    moves = pair.moves(host)
    end = time.monotonic() + STAYS
    while time.monotonic() < end:
        assert host.name in pair.holders()
        time.sleep(0.3)
    assert pair.moves(host) == moves, "the address was away for a moment"
    wait_for(lambda: pair.holders() == [host.name], "both have the address")


@pytest.mark.timeout(3600)  # two runs on hosts that may be busy
def test_one_load_balancer_takes_the_address(pair: Pair) -> None:
    """With --check, a run also gets to the end while the second one has neither HAProxy nor keepalived."""
    pair.fleet.play("site.yml", *pair.inventory("lb1"))
    assert pair.holders() == ["lb1"]
    wait_for(partial(answers, pair), "the shared address does not answer")
    pair.fleet.play("site.yml", *pair.both, "--check")
    installed = pair.hosts[1].try_run("bash", "-c", "command -v haproxy keepalived").stdout
    assert (pair.holders(), installed) == (["lb1"], "")


@pytest.mark.timeout(3600)  # three runs on hosts that may be busy
def test_a_second_load_balancer_joins(pair: Pair) -> None:
    """The first one keeps the address, and no request fails. Later runs, also with --check, change nothing."""
    assert pair.holders() == ["lb1"]
    moves = pair.moves(pair.hosts[0])
    with pair.load("second load balancer") as run, run.window("switch", "lb2 joins"):
        pair.fleet.play("site.yml", *pair.both)
    assert summary.summarize(run).total.failed == 0
    assert pair.holders() == ["lb1"]
    assert pair.moves(pair.hosts[0]) == moves
    for host in pair.hosts:
        assert host.ask(PORT, "/").status == 200
    for options in ((), ("--check",)):
        output = pair.fleet.play("site.yml", *pair.both, *options)
        assert re.findall(r"changed=(\d+)", output) == ["0"] * 4


def test_requests_come_from_the_own_address(pair: Pair) -> None:
    """Also the clients' certificate is for the shared address."""
    active, _ = pair.sorted()
    for _ in range(6):
        with urlopen(f"http://{pair.address}:8080/?for=shared", timeout=60) as answer:
            assert answer.status == 200
    for host in pair.fleet.apis:
        wait_for(partial(has_request, host, "for=shared"), f"no request reached {host.name}")
        assert {one["peer"] for one in marked_requests(host, "for=shared")} == {active.address}
    context = ssl.create_default_context(cadata=pair.fleet.authority.read_text())
    connection = socket.create_connection((pair.address, 8301), timeout=60)
    with connection, context.wrap_socket(connection, server_hostname=pair.address) as secured:
        assert secured.getpeercert()


@pytest.mark.timeout(3600)  # several runs on hosts that may be busy
def test_addresses_that_cannot_be_shared_are_refused_by_name(pair: Pair) -> None:
    gateway = pair.fleet.lb.run("ip", "-4", "route", "show", "default").split()[2]
    api = pair.fleet.apis[0].address
    for variables, words in (
        ({"load_balancer_address": ""}, "group load_balancers: found lb1, lb2; clients need one address"),
        ({"load_balancer_address": api}, f"load_balancer_address: found {api}, which is the own address of api1"),
        ({"load_balancer_address": "198.51.100.9"}, "found 198.51.100.9, which is in no network of this host"),
        ({"load_balancer_address": gateway}, f"found {gateway}, which a machine with the hardware address"),
    ):
        succeeded, output = pair.fleet.try_play("site.yml", *pair.both, **variables)
        text = re.sub(r"\s+", " ", output)
        assert not succeeded
        assert words in text, output[-3000:]
        assert not re.search(r"changed=[1-9]", text), "something was changed"


def test_a_reload_leaves_the_address_where_it_is(pair: Pair) -> None:
    active, _ = pair.sorted()
    moves = pair.moves(active)
    for unit in ("haproxy", "keepalived"):
        for _ in range(3):
            active.run("systemctl", "reload", unit)
            time.sleep(1)
    stays(pair, active)
    assert pair.moves(active) == moves


def test_the_address_leaves_a_load_balancer_without_haproxy(pair: Pair) -> None:
    """It does not come back when HAProxy runs again."""
    active, backup = pair.sorted()
    active.run("systemctl", "stop", "haproxy")
    wait_for(lambda: pair.holders() == [backup.name], "the address does not move")
    assert answers(pair)
    active.run("systemctl", "start", "haproxy")
    stays(pair, backup)


@pytest.mark.timeout(3600)  # a host starts, which may be busy
def test_the_active_load_balancer_is_lost(pair: Pair) -> None:
    """Clients have the address again within three seconds. It does not go back to the host that returns."""
    active, backup = pair.sorted()
    own = active.address
    with pair.load("lost load balancer") as run, Watch(pair.url).running() as watch:
        time.sleep(2)
        with run.window("fault", "the active one is killed"):
            machine.podman("kill", active.container)
            wait_for(lambda: pair.holders() == [backup.name], "the address does not move")
            time.sleep(3)
        with run.window("fault", "the active one is away"):
            time.sleep(3)
    failed = {window.label: window.figures.failed for window in summary.summarize(run).windows}
    pair.fleet.note(f"lost load balancer: {watch.silence():.1f} s without an answer; failed requests: {failed}")
    assert watch.silence() <= MOVE + BUSY
    assert failed["the active one is away"] == 0
    start_again(active.container, own)
    wait_for(lambda: active.try_run("systemctl", "is-active", "keepalived").returncode == 0, "no keepalived", 600)
    stays(pair, backup)
    assert re.findall(r"changed=(\d+)", pair.fleet.play("site.yml", *pair.both)) == ["0"] * 4


@pytest.mark.timeout(3600)  # two hosts reboot, which may be busy
def test_load_balancers_reboot_one_after_the_other(pair: Pair) -> None:
    """The backup first. The other one gives the address away before it reboots."""
    active, backup = pair.sorted()
    boots = [first_process(host) for host in pair.hosts]
    with booting_again(pair.hosts) as order, pair.load("reboots"), Watch(pair.url).running() as watch:
        pair.fleet.play("playbooks/update_hosts.yml", *pair.both, "--limit", "load_balancers", reboot="always")
    assert order == [backup.name, active.name]
    assert not set(boots) & {first_process(host) for host in pair.hosts}
    assert pair.holders() == [backup.name]
    pair.fleet.note(
        f"reboots: {watch.silence():.1f} s without an answer, {watch.failed} of the watch's requests failed"
    )
    assert watch.silence() <= 1 + BUSY
    output = pair.fleet.play("playbooks/update_hosts.yml", *pair.both, "--limit", "load_balancers")
    assert re.findall(r"changed=(\d+)", output) == ["0"] * 2
    assert pair.holders() == [backup.name]


@pytest.mark.timeout(3600)  # two runs on hosts that may be busy
def test_haproxy_listens_on_the_shared_address_alone(pair: Pair) -> None:
    """The backup does so, too, without having the address."""
    active, backup = pair.sorted()
    pair.fleet.play("site.yml", *pair.both, load_balancer_listen=pair.address)
    for host in pair.hosts:
        assert f"{pair.address}:{PORT}" in host.listeners()
    active.run("systemctl", "stop", "keepalived")
    wait_for(lambda: pair.holders() == [backup.name], "the address does not move", SECONDS)
    assert answers(pair)
    pair.fleet.play("site.yml", *pair.both)
    assert pair.holders() == [backup.name]


@pytest.mark.timeout(3600)  # two runs on hosts that may be busy
def test_a_load_balancer_leaves(pair: Pair) -> None:
    """It has to be stopped first, since it would keep the address."""
    staying, leaving = pair.hosts
    staying.run("systemctl", "restart", "keepalived")
    wait_for(lambda: pair.holders() == [leaving.name], "the address does not move")
    succeeded, output = pair.fleet.try_play("site.yml", *pair.inventory(staying.name))
    assert not succeeded
    assert "which a machine with the hardware address" in re.sub(r"\s+", " ", output), output[-3000:]
    leaving.run("systemctl", "disable", "--now", "keepalived", "haproxy")
    wait_for(lambda: pair.holders() == [staying.name], "the address does not move")
    pair.fleet.play("site.yml", *pair.inventory(staying.name))
    assert pair.holders() == [staying.name]
    assert answers(pair)
