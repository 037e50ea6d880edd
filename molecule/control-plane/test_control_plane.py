"""The control plane on three API hosts: one cloud for its clients, whatever a host does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
import pytest
from cloud import Cloud
from cluster_hosts import until
from host import start as start_again
from keystone_keys import assert_same_keys
from served import Host

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "openstack.md"
LOAD = REPOSITORY / "molecule" / "shared" / "request_loop.py"
PATHS = {
    "keystone": ":5000/v3/projects",
    "placement": ":8778/resource_providers",
    "glance": ":9292/v2/images",
    "neutron": ":9696/v2.0/networks",
    "cinder": ":8776/v3/volumes",
    "nova": ":8774/v2.1/flavors",
}
"""What clients ask of each service, behind the address of the load balancer."""
TOKENS = """
import urllib.request, urllib.error
url, method, token, subject = arguments
headers = {"X-Auth-Token": token, "X-Subject-Token": subject}
request = urllib.request.Request(url, headers=headers, method=method)
try:
    print(json.dumps(urllib.request.urlopen(request, timeout=60).status))
except urllib.error.HTTPError as error:
    print(json.dumps(error.code))
"""
"""Asks keystone on one host about a token."""
FLUSH = """
import socket
with socket.create_connection(("127.0.0.1", 11211), 60) as connection:
    connection.sendall(b"flush_all\\r\\n")
    print(json.dumps(connection.recv(100).decode().strip()))
"""
"""Empties memcached."""
SECONDS = 300.0
"""Until something is as it was before a fault: generous, for a busy machine."""


@dataclass
class ControlPlane:
    """The hosts and their clients. ``notes`` are for the end of the log and for the report."""

    balancer: Host
    apis: list[Host]
    folder: Path
    notes: list[str] = field(default_factory=list)

    @property
    def admin(self) -> Cloud:
        """The clients on the first API host that runs."""
        for host in self.apis:
            with contextlib.suppress(machine.HostError):
                host.run("true")
                return Cloud(host, {})
        raise AssertionError("no API host runs")

    def note(self, text: str) -> None:
        self.notes.append(text)
        (self.folder / "report.txt").write_text("\n".join(self.notes) + "\n")

    def play(self, playbook: str, *options: str, **variables: object) -> str:
        """Run a playbook that has to succeed; return its output."""
        inventory = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"))
        tool = str(Path(sys.executable).parent / "ansible-playbook")
        command = [tool, "-i", inventory, "-e", json.dumps(variables), *options, playbook]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        with (self.folder / "ansible.log").open("a") as log:
            log.write(output)
        assert done.returncode == 0, f"{playbook} failed:\n{output[-4000:]}"
        return output

    def url(self, service: str) -> str:
        return f"http://{self.balancer.address}{PATHS[service]}"

    def token(self) -> str:
        return str(self.admin.show("openstack token issue")["id"])

    def about_token(self, method: str, token: str, subject: str, hosts: Sequence[Host] = ()) -> list[int]:
        """Return what keystone on each host, or on those of ``hosts``, answers to a request about a token."""
        urls = [f"http://{host.address}:5000/v3/auth/tokens" for host in hosts or self.apis]
        return [self.balancer.python(TOKENS, url, method, token, subject) for url in urls]

    @contextlib.contextmanager
    def requests(self, what: str, *, may_fail: bool = False) -> Iterator[None]:
        """Send requests to all services through the load balancer during the block, and note how many fail."""
        stop = self.folder / "load-stops"
        stop.unlink(missing_ok=True)
        command = [sys.executable, str(LOAD), self.token(), str(stop), *map(self.url, PATHS)]
        begun = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
            try:
                yield
            finally:
                stop.touch()
                output, _ = load.communicate(timeout=180)
        counts: dict[str, Any] = json.loads(output)
        seconds = time.monotonic() - begun
        names = {self.url(service): service for service in PATHS}
        slowest = max(counts["slowest_of"], key=counts["slowest_of"].get)
        self.note(
            f"{what}: {counts['requests']} requests, {counts['failures']} failed, slowest {counts['slowest']:.1f} s"
            f" ({names[slowest]}); {seconds:.0f} s in all"
        )
        assert counts["requests"] > len(PATHS)
        assert may_fail or counts["failed"] == []

    def answers(self) -> bool:
        """Return whether every service answers through the load balancer."""
        try:
            token = self.token()
        except AssertionError:
            return False
        ports = {name: int(path[1:].partition("/")[0]) for name, path in PATHS.items()}
        return all(
            self.balancer.ask(port, PATHS[name][5:], headers={"X-Auth-Token": token}).status in (200, 300)
            for name, port in ports.items()
        )

    def down(self) -> list[str]:
        """Return which agents of nova, cinder and neutron are down, with their hosts."""
        admin = self.admin
        agents = [
            (row["Binary"], row["Host"], row["State"] == "up")
            for command in ("openstack compute service list", "openstack volume service list")
            for row in admin.show(command)
        ]
        agents += [(row["Binary"], row["Host"], row["Alive"]) for row in admin.show("openstack network agent list")]
        return [f"{binary} on {host}" for binary, host, up in agents if not up]

    def make_server(self, name: str) -> None:
        """Make a server of the page's image, flavor and network, and a volume; both have to become usable."""
        self.admin.run(f"openstack volume create --size 1 volume-{name}")
        command = "openstack server create --flavor small --image first-image --network first-network"
        self.admin.run(f"{command} {name}")
        self.admin.wait(f"openstack server show {name}", "status", "ACTIVE", SECONDS)
        self.admin.wait(f"openstack volume show volume-{name}", "status", "available", SECONDS)


@pytest.fixture(scope="module")
def plane(hosts: dict[str, Host]) -> Iterator[ControlPlane]:
    folder = REPOSITORY / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"]
    made = ControlPlane(hosts["lb1"], [hosts[f"api{number}"] for number in (1, 2, 3)], folder)
    yield made
    print("\n".join(made.notes))


@pytest.mark.timeout(3600)  # a whole run on seven hosts that may be busy
def test_a_second_run_changes_nothing(plane: ControlPlane) -> None:
    counts = re.findall(r"changed=(\d+)", plane.play("site.yml"))
    assert counts == ["0"] * 7


def test_the_catalogue_names_the_load_balancer(plane: ControlPlane) -> None:
    """For clients, for the services, and for administrators."""
    urls = [row["URL"] for row in plane.admin.show("openstack endpoint list")]
    assert len(urls) == 3 * len(PATHS)
    assert {url.split("/")[2].partition(":")[0] for url in urls} == {plane.balancer.address}


@pytest.mark.timeout(1200)
def test_the_commands_of_the_page_lead_to_a_server(plane: ControlPlane) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("\n## The first server\n")[2].partition("\n## ")[0]
    [block] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    for command in block.strip().splitlines():
        plane.admin.run(command)
    assert plane.admin.show("openstack server show first-server")["status"] == "ACTIVE"


def test_each_host_has_an_image_that_one_of_them_got(plane: ControlPlane) -> None:
    """Through the load balancer, which gives each request to the host with the fewest."""
    image = plane.admin.show("openstack image show first-image")["id"]
    token = plane.token()
    expected = plane.apis[0].run("cat", "/etc/os-release")
    program = """
import urllib.request
request = urllib.request.Request(arguments[0], headers={"X-Auth-Token": arguments[1], "Host": arguments[2]})
print(json.dumps(urllib.request.urlopen(request, timeout=60).read().decode()))
"""
    for host in plane.apis:
        url = f"http://{host.address}:9292/v2/images/{image}/file"
        assert plane.balancer.python(program, url, token, f"{plane.balancer.address}:9292") == expected


def test_what_one_host_takes_away_is_gone_on_all(plane: ControlPlane) -> None:
    """The hosts share their cache: a token that was revoked through one of them is valid on none."""
    token, revoked = plane.token(), plane.token()
    assert plane.about_token("GET", token, revoked) == [200, 200, 200]
    assert plane.about_token("DELETE", token, revoked, plane.apis[:1]) == [204]
    assert plane.about_token("GET", token, revoked) == [404, 404, 404]


@pytest.mark.timeout(1200)
def test_the_keys_rotate_on_all_hosts(plane: ControlPlane) -> None:
    """A token from before is valid on every host, also where no cache knows it."""
    before = assert_same_keys(plane.apis)
    token = plane.token()
    with plane.requests("the keys of keystone rotate"):
        plane.play("playbooks/rotate_fernet.yml")
    after = assert_same_keys(plane.apis)
    assert max(after.numbers("fernet-keys")) == max(before.numbers("fernet-keys")) + 1
    new = plane.token()
    for host in plane.apis:
        assert host.python(FLUSH) == "OK"
    assert plane.about_token("GET", new, token) == [200, 200, 200]
    assert plane.about_token("GET", token, new) == [200, 200, 200]


@pytest.mark.timeout(3600)  # a release on three hosts that may be busy
def test_a_release_rolls_under_load(plane: ControlPlane) -> None:
    def live(name: str) -> list[str]:
        return [host.live(name)[1] for host in plane.apis]

    before = live("placement")
    with plane.requests("a release of placement"):
        plane.play("site.yml", placement_config={"placement": {"allocation_conflict_retry_count": 11}})
    assert len(set(before)) == 1
    assert len(set(live("placement"))) == 1
    assert live("placement") != before


@pytest.mark.timeout(3600)  # hosts start, which may be busy
def test_an_api_host_is_killed(plane: ControlPlane) -> None:
    lost = plane.apis[0]
    address = lost.address
    until(lambda: plane.down() == [], lambda: f"down: {plane.down()}", SECONDS)
    with plane.requests("an API host is killed", may_fail=True):
        begun = time.monotonic()
        machine.podman("kill", lost.container)
        until(plane.answers, "the services do not answer", SECONDS)
        plane.note(f"every service answered {time.monotonic() - begun:.1f} s after an API host was killed")
        # Until nova misses it, the scheduler may choose the killed host.
        until(lambda: f"nova-compute on {lost.container}" in str(plane.down()), "nova does not miss the host", SECONDS)
        plane.make_server("without-a-host")
        plane.note(f"a server and a volume were there {time.monotonic() - begun:.0f} s after it was killed")
    with plane.requests("it comes back"):
        start_again(lost.container, address)
        until(lambda: plane.down() == [], lambda: f"down: {plane.down()}", SECONDS)
    plane.make_server("with-all-hosts")
