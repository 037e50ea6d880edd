"""The control plane on three API hosts: one cloud for its clients, whatever a host does."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
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
from host import create as create_host
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
IMAGES = "/srv/glance"
"""The folder that the API hosts share, as molecule.yml mounts it."""
GLANCE = "apt-get -qq update && useradd --system --user-group --uid 900 --home-dir /var/lib/glance glance"
"""As docs/openstack.md says, for a fresh API host."""
WATCHER = {"OS_USERNAME": "watcher", "OS_PASSWORD": "from-the-tower"}
"""A second administrator: a rotation removes the first one, and its tokens become invalid."""
SECONDS = 300.0
"""Until something is as it was before a fault: generous, for a busy machine."""


@dataclass
class ControlPlane:
    """The hosts and their clients. ``notes`` are for the end of the log and for the report."""

    balancer: Host
    apis: list[Host]
    databases: list[Host]
    folder: Path
    notes: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[Host]:
        return [self.balancer, *self.apis, *self.databases]

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

    @property
    def watcher(self) -> Cloud:
        """The clients with an account of their own."""
        admin = self.admin
        if WATCHER["OS_USERNAME"] not in {user["Name"] for user in admin.show("openstack user list")}:
            admin.run(f"openstack user create --project admin --password {WATCHER['OS_PASSWORD']} watcher")
            admin.run("openstack role add --project admin --user watcher admin")
        return Cloud(admin.host, WATCHER)

    def play(self, playbook: str, *options: str, **variables: object) -> str:
        """Run a playbook that has to succeed; return its output."""
        succeeded, output = self.try_play(playbook, *options, **variables)
        assert succeeded, f"{playbook} failed:\n{output[-4000:]}"
        return output

    def try_play(self, playbook: str, *options: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook; return whether it succeeded, and its output."""
        inventory = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"))
        tool = str(Path(sys.executable).parent / "ansible-playbook")
        command = [tool, "-i", inventory, "-e", json.dumps(variables), *options, playbook]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        with (self.folder / "ansible.log").open("a") as log:
            log.write(output)
        return done.returncode == 0, output

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
        token = self.watcher.show("openstack token issue")["id"]
        command = [sys.executable, str(LOAD), token, str(stop), *map(self.url, PATHS)]
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

    def fresh(self, host: Host, address: str = "") -> None:
        """Put a fresh machine in the place of a host, at an address of its own or at this one."""
        is_api = host in self.apis
        found = create_host(
            host.container,
            "bookworm",
            mounts=host not in self.databases,
            network=not is_api,
            shared=f"{os.environ['MOLECULE_EPHEMERAL_DIRECTORY']}/images:{IMAGES}" if is_api else "",
            owner=str(REPOSITORY),
        )
        if is_api:
            host.run("sh", "-ec", GLANCE)
        if address:
            machine.podman("stop", "--time=0", host.container)
            start_again(host.container, address)
        (self.folder / f"{host.name}.address").write_text(address or found)

    def volume_service(self) -> list[str]:
        """Return which API hosts run cinder-volume: all others wait for its lease."""
        running = ("systemctl", "show", "--property=StatusText", "--value", "grove-cinder-volume")
        return [host.name for host in self.apis if host.run(*running).strip() == "runs the agent"]

    def volume_is_gone(self, name: str) -> None:
        """Wait until a volume that was deleted is gone."""

        def names() -> list[str]:
            return [row["Name"] for row in self.admin.show("openstack volume list")]

        until(lambda: name not in names(), f"the volume {name} is still there", SECONDS)

    def ids(self, kind: str) -> list[str]:
        """Return the ids of all that an administrator sees of a kind."""
        projects = " --all-projects" if kind in ("server", "volume") else ""
        return sorted(row["ID"] for row in self.admin.show(f"openstack {kind} list{projects}"))

    def live(self) -> dict[tuple[str, str], str]:
        """Return the live release of each service on each host."""
        return {(host.name, service): host.live(service)[1] for host in self.apis for service in PATHS}

    def is_whole(self) -> None:
        """All agents are up, all hosts have the same keys and releases, and a second run changes nothing."""
        until(lambda: self.down() == [], lambda: f"down: {self.down()}", SECONDS)
        assert_same_keys(self.apis)
        live = self.live()
        assert len(set(live.values())) == len(PATHS)
        counts = re.findall(r"changed=(\d+)", self.play("site.yml"))
        assert counts == ["0"] * 7
        assert self.live() == live

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
    apis, databases = ([hosts[f"{kind}{number}"] for number in (1, 2, 3)] for kind in ("api", "db"))
    made = ControlPlane(hosts["lb1"], apis, databases, folder)
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


@pytest.mark.timeout(3600)  # three hosts get releases of all services
def test_new_secrets_reach_all_hosts(plane: ControlPlane) -> None:
    """Every account of the databases, the brokers and keystone changes, and so does every service on each host."""
    before = plane.live()
    with plane.requests("all secrets change"):
        plane.play("playbooks/rotate_secrets.yml")
    after = plane.live()
    assert {key for key in after if after[key] == before[key]} == set()
    for host in plane.databases:
        accounts = set(host.run("mariadb", "-BN", "-e", "SELECT user FROM mysql.user").split())
        assert "nova_2" in accounts
        assert {name for name in accounts if name.endswith("_1")} == set()
    users = {user["Name"] for user in plane.admin.show("openstack user list")}
    assert "nova_2" in users
    assert {name for name in users if name.endswith("_1")} == set()
    plane.is_whole()
    plane.make_server("with-new-secrets")


@pytest.mark.timeout(3600)  # hosts start, which may be busy
def test_the_api_host_of_cinder_volume_is_killed(plane: ControlPlane) -> None:
    """Another host runs cinder-volume then, and changes volumes that the lost one has made."""
    [serving] = plane.volume_service()
    [lost] = [host for host in plane.apis if host.name == serving]
    address = lost.address
    plane.admin.run("openstack volume create --size 1 volume-before")
    plane.admin.wait("openstack volume show volume-before", "status", "available", SECONDS)
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
        plane.admin.run("openstack volume delete volume-before")
        plane.volume_is_gone("volume-before")
    with plane.requests("it comes back"):
        start_again(lost.container, address)
        until(lambda: plane.down() == [], lambda: f"down: {plane.down()}", SECONDS)
    [now] = plane.volume_service()
    assert now != serving
    plane.make_server("with-all-hosts")


@pytest.mark.timeout(3600)  # a host is set up from nothing
def test_a_fresh_machine_at_another_address_is_an_api_host_after_site(plane: ControlPlane) -> None:
    """The configuration of each service has the address of its memcached, so every host gets a release."""
    lost = plane.apis[2]
    machine.podman("kill", lost.container)
    # A lost host stops no backup.
    assert "would be copied" in " ".join(plane.play("playbooks/backup.yml", "--check").split())
    plane.fresh(lost)
    succeeded, output = plane.try_play("playbooks/replace.yml", host=lost.name)
    assert not succeeded
    assert "api3 is in the group cache, and the configuration of each OpenStack service" in " ".join(output.split())
    assert not re.search(r"changed=[1-9]", output)
    until(plane.answers, "the services do not answer", SECONDS)
    with plane.requests("an API host comes back at another address"):
        plane.play("site.yml")
    plane.is_whole()


@pytest.mark.timeout(3600)  # a host is set up from nothing
def test_a_lost_api_host_is_replaced(plane: ControlPlane) -> None:
    """A fresh machine at the lost one's address gets its keys, its cache and its agents; no other host changes."""
    lost = plane.apis[1]
    address = lost.address
    machine.podman("kill", lost.container)
    plane.fresh(lost, address)
    until(plane.answers, "the services do not answer", SECONDS)
    with plane.requests("a lost API host is replaced"):
        output = plane.play("playbooks/replace.yml", host=lost.name)
    assert re.findall(r"(?m)^(?:api[13]|db\d) .*changed=(\d+)", output) == ["0"] * 2
    assert lost.python(FLUSH) == "OK"
    plane.is_whole()
    plane.make_server("with-a-replaced-host")


@pytest.mark.timeout(7200)  # seven hosts are set up from nothing
def test_a_backup_becomes_a_cloud_on_fresh_hosts(plane: ControlPlane) -> None:
    """With the secrets and keys of the backup, on hosts that may have other addresses. Tokens stay valid."""
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    backups, secrets = folder / "backups", folder / "secrets"
    shutil.rmtree(backups, ignore_errors=True)
    lists = ("server", "volume", "image", "network", "user", "flavor")
    token, keys = plane.token(), assert_same_keys(plane.apis)
    known = {name: plane.ids(name) for name in lists}
    assert all(known.values())
    with plane.requests("a backup"):
        plane.play("playbooks/backup.yml", database_backup_dir=str(backups))
    [backup] = backups.glob("*Z")
    for host in plane.all:
        plane.fresh(host)
    secrets.rename(folder / "secrets-before")
    begun = time.monotonic()
    plane.play("playbooks/restore.yml", backup=str(backup))
    plane.play("site.yml")
    plane.note(f"restore and site on fresh hosts: {time.monotonic() - begun:.0f} s")
    assert assert_same_keys(plane.apis) == keys
    assert plane.about_token("GET", token, token) == [200] * 3
    assert {name: plane.ids(name) for name in lists} == known
    plane.is_whole()
    plane.make_server("in-a-restored-cloud")
