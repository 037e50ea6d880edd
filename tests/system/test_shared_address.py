"""The address that load balancers share: keepalived itself, and the kernel's neighbours, in networks of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import shared_address
from ansible_collections.grove.wsgi.plugins.plugin_utils import balancing
from jinja2 import Environment, FileSystemLoader, StrictUndefined

pytestmark = [
    pytest.mark.debian_packages("haproxy", "keepalived"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root"),
]

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATES = REPOSITORY / "roles/load_balancer/templates"
NETWORK = """
set -e
ip link set lo up
ip link add lb0 type veth peer name other0
unshare --net sleep 60 >/dev/null 2>&1 &
other=$!
trap 'kill $other' EXIT
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
ip link set other0 netns $other
in_other() { nsenter --target $other --net "$@"; }
in_other ip link set other0 address 02:00:00:00:00:99
in_other ip address add 192.0.2.21/24 dev other0
in_other ip address add 2001:db8::21/64 dev other0 nodad
in_other ip link set other0 up
ip address add 192.0.2.10/24 dev lb0
ip address add 2001:db8::10/64 dev lb0 nodad
ip link set lb0 up
until ip link show lb0 | grep -q 'state UP'; do sleep 0.01; done
"""
"""A network with the interface lb0 of a load balancer, and another machine."""


def in_network(commands: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run commands on the load balancer of NETWORK, with ``arguments`` as $1 and so on, and this Python as $0."""
    # bash would replace itself by the last command, and not run its trap.
    script = ["unshare", "--net", "bash", "-c", f"{NETWORK}{commands}\nexit 0", sys.executable, *arguments]
    return subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)


def rendered(
    hosts: dict[str, dict[str, Any]], interface: str, host: str = "", database: dict[str, Any] | None = None
) -> str:
    """Return the configuration of keepalived on ``host``, or on the first of ``hosts``.

    database: what HAProxy does for the database, if anything.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.filters["comment"] = lambda text: f"# {text}"
    own = host or next(iter(hosts))
    text = environment.get_template("keepalived.conf.j2").render(
        ansible_managed="managed",
        inventory_hostname=own,
        load_balancer_router_id=balancing.router_id(hosts[own][balancing.SHARED]),
        shared=balancing.sharing(own, list(hosts), hosts),
        database=database or {},
    )
    for name in (shared_address.INTERFACE, shared_address.ADDRESS_INTERFACE):
        assert name in text
        text = text.replace(name, interface)
    return text.replace(shared_address.CHECK_PATH, str(shared_address.CHECK))


def load_balancer(address: str, own: str) -> dict[str, Any]:
    return {balancing.SHARED: address, balancing.ADDRESS: own}


@pytest.mark.parametrize(
    "hosts",
    [
        {"lb1": load_balancer("192.0.2.9", "192.0.2.10"), "lb2": load_balancer("192.0.2.9", "192.0.2.11")},
        {"lb1": load_balancer("192.0.2.9", "192.0.2.10")},
        {
            "lb1": load_balancer("2001:db8::9", "2001:db8::10"),
            "lb2.example.org": load_balancer("2001:db8::9", "2001:db8::11"),
            "lb_3": load_balancer("2001:db8::9", "2001:db8::12"),
        },
    ],
)
def test_keepalived_reads_the_configuration_of(hosts: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(rendered(hosts, "lb0"))
    done = in_network('keepalived --config-test --use-file="$1"', str(path))
    # The program that asks HAProxy is an argument, so keepalived does not look for it.
    assert (done.returncode, done.stderr) == (0, "")


def test_what_keepalived_refuses_is_not_put_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_address, "FOLDER", tmp_path)
    hosts = {"lb1": load_balancer("192.0.2.9", "192.0.2.10")}
    with pytest.raises(
        shared_address.SharedAddressError, match=r"keepalived refuses .*former one: .*keepalived\.conf: .*nosuch0"
    ):
        shared_address.check_text(rendered(hosts, "nosuch0"))
    assert list(tmp_path.iterdir()) == []


ASK = """
import json, sys
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import shared_address
def free(address, own, known):
    try:
        shared_address.check_free(address, own, known)
    except shared_address.SharedAddressError as error:
        return str(error)
    return ""
"""


def asked(*questions: tuple[str, str, list[str]], before: str = "") -> list[str]:
    """Return what ``check_free`` says of each shared address, own address and known hardware addresses."""
    program = f"{ASK}print(json.dumps([free(*one) for one in {questions!r}]))"
    done = in_network(f'{before}\n"$0" -c "$1"', program)
    assert done.returncode == 0, done.stderr
    answers: list[str] = json.loads(done.stdout)
    return answers


def test_an_address_that_another_machine_has_is_found() -> None:
    """Its hardware address is named. It may be a load balancer's."""
    other = "02:00:00:00:00:99"
    used, own, free, used6 = asked(
        ("192.0.2.21", "192.0.2.10", []),
        ("192.0.2.21", "192.0.2.10", [other]),
        ("192.0.2.9", "192.0.2.10", []),
        ("2001:db8::21", "2001:db8::10", []),
    )
    for text, address in ((used, "192.0.2.21"), (used6, "2001:db8::21")):
        assert f"found {address}, which a machine with the hardware address {other} has" in text
    assert (own, free) == ("", "")


def test_a_machine_that_is_gone_does_not_answer() -> None:
    """The kernel still knows its hardware address."""
    before = "ip neighbour replace 192.0.2.77 lladdr 02:00:00:00:00:77 dev lb0 nud stale"
    assert asked(("192.0.2.77", "192.0.2.10", []), before=before) == [""]


SHARED = "192.0.2.9"
SECONDS = 60.0
"""Until keepalived has done something: generous, for a busy machine."""
MOVE = 3.0
"""Seconds in which a lost load balancer's address has moved."""
BUSY = 3.0
"""Seconds more, on a machine that is busy with other tests."""
STAYS = 3.0
"""Seconds in which a backup would have taken the address."""
LOOPS = 10
"""Programs that never wait, per processor of a busy machine."""
HAPROXY = """
global
    stats socket {folder}/admin.sock mode 600 level admin
defaults
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend any
    bind 127.0.0.1:8080
"""


@dataclass
class LoadBalancer:
    """A network with the interface ``eth0``, and HAProxy and keepalived in it."""

    name: str
    own: str
    folder: Path
    network: subprocess.Popen[bytes]
    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def run(self, *command: str) -> str:
        """Run a command in the network; return its output."""
        return subprocess.run([*self._enter(), *command], capture_output=True, text=True, check=True).stdout

    def start(self, program: str, *options: str) -> None:
        """Start a program in the network, which writes its log into the folder."""
        with (self.folder / f"{program}.log").open("a") as log:
            command = [*self._enter(), f"/usr/sbin/{program}", *options]
            self.programs[program] = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def end(self, program: str, number: int = signal.SIGTERM) -> None:
        """Send a signal to a program and its children, and wait until it has ended."""
        process = self.programs.pop(program)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait(SECONDS)

    def start_haproxy(self) -> None:
        (self.folder / "haproxy.cfg").write_text(HAPROXY.format(folder=self.folder))
        self.start("haproxy", "-W", "-f", str(self.folder / "haproxy.cfg"))

    def start_keepalived(self, hosts: dict[str, dict[str, Any]]) -> None:
        self.configure(hosts)
        # A machine that starts has an empty /run. keepalived does not start while a process of the files exists, as a
        # killed one does until it is reaped.
        paths = [self.folder / name for name in ("pid", "vrrp_pid")]
        for path in paths:
            path.unlink(missing_ok=True)
        files = [f"--{path.name}={path}" for path in paths]
        options = ("--dont-fork", "--log-console", "--log-detail", "--vrrp")
        self.start("keepalived", *options, *files, f"--use-file={self.folder}/keepalived.conf")

    def configure(self, hosts: dict[str, dict[str, Any]]) -> None:
        """Write keepalived's configuration."""
        program = str(REPOSITORY / "roles/load_balancer/files/haproxy_answers.py")
        text = rendered(hosts, "eth0", self.name).replace(str(shared_address.CHECK), program)
        text = text.replace("/run/haproxy/admin.sock", f"{self.folder}/admin.sock")
        # Programs of this clone may belong to another account than root.
        (self.folder / "keepalived.conf").write_text(text.replace("    enable_script_security\n", ""))

    def holds(self) -> bool:
        found = shared_address.parse(self.run("ip", "-json", "address", "show"))
        return shared_address.holds(SHARED, found)

    def log(self) -> str:
        return (self.folder / "keepalived.log").read_text()

    def is_apart_from(self, network: str) -> bool:
        return os.readlink(f"/proc/{self.network.pid}/ns/net") != network

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self.network.pid}", "--net"]


@contextlib.contextmanager
def two_load_balancers(folder: Path) -> Iterator[tuple[LoadBalancer, LoadBalancer]]:
    """Yield two load balancers on one network, with HAProxy and without keepalived."""
    own = os.readlink("/proc/self/ns/net")
    both = []
    try:
        for name, address in (("lb1", "192.0.2.10"), ("lb2", "192.0.2.11")):
            (folder / name).mkdir()
            network = subprocess.Popen(["unshare", "--net", "sleep", "600"])
            both.append(LoadBalancer(name, address, folder / name, network))
        for one in both:
            wait_for(partial(one.is_apart_from, own), "there is no network")
        first, second = both
        peer = ("peer", "name", "eth0", "netns", str(second.network.pid))
        first.run("ip", "link", "add", "eth0", "type", "veth", *peer)
        for one in both:
            one.run("ip", "link", "set", "lo", "up")
            one.run("ip", "address", "add", f"{one.own}/24", "dev", "eth0")
            one.run("ip", "link", "set", "eth0", "up")
            one.start_haproxy()
        yield first, second
    finally:
        for one in both:
            for program in list(one.programs):
                one.end(program)
            one.network.kill()
            one.network.wait()


@contextlib.contextmanager
def busy_processors() -> Iterator[None]:
    """Keep every processor of the machine busy during the block."""
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(LOOPS * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


def wait_for(condition: Callable[[], bool], what: str | Callable[[], str]) -> float:
    """Return how many seconds it took until the condition was true; ``what`` says what is wrong if it was not."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < SECONDS, what() if callable(what) else what
        time.sleep(0.02)
    return time.monotonic() - begin


def test_the_address_moves_when_it_has_to_and_stays_otherwise(tmp_path: Path) -> None:
    """With the real keepalived and HAProxy, and the role's configuration."""
    hosts = {"lb1": load_balancer(SHARED, "192.0.2.10"), "lb2": load_balancer(SHARED, "192.0.2.11")}

    def stays(active: LoadBalancer, backup: LoadBalancer) -> None:
        end = time.monotonic() + STAYS
        while time.monotonic() < end:
            assert (active.holds(), backup.holds()) == (True, False)
            time.sleep(0.1)

    with two_load_balancers(tmp_path) as (first, second):
        first.start_keepalived({"lb1": hosts["lb1"]})
        wait_for(first.holds, f"a load balancer alone does not take the address: {first.log()}")
        # The second one joins.
        first.configure(hosts)
        first.programs["keepalived"].send_signal(signal.SIGHUP)
        second.start_keepalived(hosts)
        stays(first, second)
        assert first.log().count("Entering MASTER STATE") == 1, "the address was away while the second one joined"
        route = first.run("ip", "route", "get", "192.0.2.21")
        assert "src 192.0.2.10" in route, "requests to API hosts would come from the shared address"
        # keepalived has the usual priority, and sends its adverts in time.
        with busy_processors():
            stays(first, second)
        # HAProxy ends, and comes back.
        first.end("haproxy")
        wait_for(second.holds, second.log)
        assert not first.holds()
        first.start_haproxy()
        stays(second, first)
        # The active load balancer is lost, and comes back.
        second.end("keepalived", signal.SIGKILL)
        seconds = wait_for(first.holds, first.log)
        assert seconds < MOVE + BUSY
        second.run("ip", "address", "delete", f"{SHARED}/32", "dev", "eth0")
        second.start_keepalived(hosts)
        stays(first, second)
        # The active one gives it away.
        first.end("keepalived")
        assert wait_for(second.holds, second.log) < 1 + BUSY
