"""A fleet changes while clients use its load balancer, is stopped by a broken release, and loses a host."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import machine
import pytest
from load import releases, summary
from load.process import under_load
from load.run_folder import RunFolder
from served import Host

REPOSITORY = Path(__file__).resolve().parents[2]
APP = "load"
"""The application that is replaced; its record is in molecule/switch/records.yml.j2."""
LOAD = ("--seconds", "3000", "--pause", "0.1", "--slow", "2", "--slow-seconds", "1", "3", "--timeout", "60")
"""Options of the load client."""
SECURE = "secure"
"""The same application with TLS."""
NAME = "given.example.org"
"""The server_name of the record with a given certificate, given."""
LOG = "test1-access"
"""The log of the VirtualHost that test1 and test2 share."""
SECONDS = 180.0
"""Until HAProxy has noticed something: generous, for a busy machine."""


@dataclass
class Fleet:
    """The hosts. ``variables`` replace the inventory's in later runs. ``notes`` are for the end of the log."""

    lb: Host
    apis: list[Host]
    folder: Path
    variables: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def try_play(self, playbook: str, *options: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook on the whole fleet; return whether it succeeded, and its output."""
        path = self.folder / "variables.json"
        path.write_text(json.dumps({**self.variables, **variables}))
        inventory = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"))
        tool = str(Path(sys.executable).parent / "ansible-playbook")
        command = [tool, "-i", inventory, "-e", f"@{path}", *options, playbook]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        with (self.folder / "ansible.log").open("a") as log:
            log.write(output)
        return done.returncode == 0, output

    def play(self, playbook: str, *options: str, **variables: object) -> str:
        """Run a playbook that has to succeed; return its output."""
        succeeded, output = self.try_play(playbook, *options, **variables)
        assert succeeded, f"{playbook} failed:\n{output[-4000:]}"
        return output

    def use_release(self, number: int, faults: dict[str, Any] | None = None, **more: object) -> None:
        """Let the next runs deploy release ``number`` of the load app, with further keys in its record."""
        made = releases.make(self.folder / "sources" / str(number), number, faults)
        new = releases.record(made, name=APP)
        records = self.variables.get("wsgi_apps") or self.apis[0].apps
        changed = {"source": new["source"], "config": new["config"], **more}
        self.variables["wsgi_apps"] = [
            {**record, **changed} if record["name"] in (APP, SECURE) else record for record in records
        ]

    def codes(self) -> list[str]:
        """Return the release that each API host serves, asked on the host itself."""
        program = """
import urllib.request
print(json.dumps(json.load(urllib.request.urlopen("http://127.0.0.1:8300/", timeout=60))["release"]["code"]))
"""
        return [host.python(program) for host in self.apis]

    def states(self) -> dict[str, set[str]]:
        """Return what HAProxy says of each API host, over all backends."""
        program = """
import urllib.request
print(json.dumps(urllib.request.urlopen("http://127.0.0.1:9119/;csv", timeout=60).read().decode()))
"""
        rows = self.lb.python(program).lstrip("# ").splitlines()
        columns = rows[0].split(",")
        server, status = columns.index("svname"), columns.index("status")
        states: dict[str, set[str]] = {}
        for row in rows[1:]:
            values = row.split(",")
            states.setdefault(values[server], set()).add(values[status])
        return {host.name: states.get(host.name, set()) for host in self.apis}

    @property
    def authority(self) -> Path:
        """The certificate of the private authority, on the controller."""
        return self.folder / "tls" / "ca.crt"

    def shown_certificate(self, port: int, name: str, authority: str) -> str:
        """Return the serial number of the certificate that HAProxy shows, verified for ``name``, or for its address."""
        context = ssl.create_default_context(cadata=authority)
        connection = socket.create_connection((self.lb.address, port), timeout=60)
        with connection, context.wrap_socket(connection, server_hostname=name) as secured:
            certificate = secured.getpeercert()
        assert certificate is not None
        return str(certificate["serialNumber"])

    def note(self, text: str) -> None:
        """Add a sentence to the end of the log."""
        self.notes.append(text)

    @contextmanager
    def load(self, part: str, *, may_fail: int | None = 0, tls: bool = False) -> Iterator[RunFolder]:
        """Put load on the load balancer during the block, and check the answers. None: failures are reported alone."""
        url = f"https://{self.lb.address}:8301" if tls else f"http://{self.lb.address}:8300"
        options = ("--ca", str(self.authority)) if tls else ()
        with under_load(url, self.folder / part.replace(" ", "-"), *LOAD, *options) as run:
            yield run
        result = summary.summarize(run)
        total = result.total
        silence = result.silence or 0.0
        self.note(f"{part}: {total.requests} requests, {total.failed} failed, longest silence {silence:.1f} s")
        assert total.mixed == 0, f"{part}: {total.mixed} answers were made of two releases"
        if may_fail is not None:
            assert total.failed <= may_fail, f"{part}: {total.failed} requests failed: {total.by_outcome}"


@pytest.fixture(scope="module")
def fleet(hosts: dict[str, Host]) -> Iterator[Fleet]:
    folder = REPOSITORY / ".cache" / os.environ["MOLECULE_SCENARIO_NAME"]
    fleet = Fleet(hosts["lb1"], [hosts["api1"], hosts["api2"]], folder)
    yield fleet
    print("\n".join(fleet.notes))
    (folder / "report.txt").write_text("\n".join(fleet.notes) + "\n")


def wait_for(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def marked_requests(host: Host, mark: str) -> list[dict[str, Any]]:
    """Return the requests in the access log that a check has marked in their URLs."""
    entries = [json.loads(line) for line in host.log(LOG).splitlines()]
    return [entry for entry in entries if mark in entry["request"]]


def has_request(host: Host, mark: str) -> bool:
    return bool(marked_requests(host, mark))


def test_clients_reach_the_apps_through_the_load_balancer_alone(fleet: Fleet) -> None:
    """The sample answers on its paths; API hosts log the client's address, and refuse whoever comes past HAProxy."""
    for path, app in (("/", "test1"), ("/shop/", "test2")):
        # HAProxy sends each request to the host with the fewest, so a few reach both.
        answers = [fleet.lb.ask(8080, f"{path}?for={app}", headers={"X-Forwarded-For": "192.0.2.66"}) for _ in range(6)]
        assert {answer.status for answer in answers} == {200}
        for host in fleet.apis:
            wait_for(partial(has_request, host, f"for={app}"), f"no request for {app} reached {host.name}")
            own = marked_requests(host, f"for={app}")
            assert {one["peer"] for one in own} == {fleet.lb.address}
            assert {one["client"] for one in own} == {
                fleet.apis[0].run("ip", "-4", "route", "show", "default").split()[2]
            }
            assert host.ask(8080, path).status == 403
            assert host.ask(8080, path, headers={"X-Forwarded-For": fleet.lb.address}).status == 403
            assert host.ask_door(app, host.live(app)[0], path)[0].status == 200
    assert fleet.lb.ask(8080, "/nothing-here").status == 404
    outside = {line for line in fleet.lb.listeners() if line.endswith(":9119")}
    assert outside == {"127.0.0.1:9119"}
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}


def test_a_release_rolls(fleet: Fleet) -> None:
    """A release needs no drain; the hosts change one after the other."""
    fleet.use_release(2)
    with fleet.load("release") as run, run.window("switch", "release 2"):
        output = fleet.play("playbooks/deploy.yml", app=APP)
    assert fleet.codes() == ["2", "2"]
    assert not re.search(r"changed: .*(api1|api2) -> lb1", output), "a host was taken out for a release"


def test_a_change_of_apache_rolls(fleet: Fleet) -> None:
    """Each host leaves the traffic before its Apache loads the change."""
    fleet.use_release(2, threads=12)
    with fleet.load("Apache") as run, run.window("switch", "threads"):
        output = fleet.play("playbooks/deploy.yml", app=APP)
    for host in fleet.apis:
        assert len(re.findall(rf"changed: \[{host.name} -> lb1", output)) == 2, (
            "the host was not taken out and put back"
        )
        assert "threads=12" in host.run("cat", "/etc/apache2/sites-available/wsgi-load.conf")
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}


def test_haproxy_reads_another_configuration(fleet: Fleet) -> None:
    """The new process takes over the listening sockets; one that HAProxy refuses changes nothing."""
    before = fleet.lb.run("systemctl", "show", "--property=MainPID", "haproxy")
    fleet.variables["load_balancer_max_connections"] = 3000
    with fleet.load("HAProxy") as run, run.window("switch", "maxconn"):
        fleet.play("site.yml")
    assert "maxconn 3000" in fleet.lb.run("cat", "/etc/haproxy/haproxy.cfg")
    assert fleet.lb.run("systemctl", "show", "--property=MainPID", "haproxy") == before, "HAProxy was restarted"
    assert "Maxconn: 3000" in fleet.lb.python(
        "import socket\ns = socket.socket(socket.AF_UNIX)\ns.connect('/run/haproxy/admin.sock')\n"
        "s.sendall(b'show info\\n')\nprint(json.dumps(s.makefile().read()))"
    )


def test_a_broken_release_stops_at_the_first_host(fleet: Fleet) -> None:
    """The run says which hosts run what. The next run goes on."""
    fleet.use_release(3, {"health_status": 503}, threads=12)
    with fleet.load("broken release") as run, run.window("fault", "release 3"):
        succeeded, output = fleet.try_play("playbooks/deploy.yml", app=APP)
    assert not succeeded
    assert fleet.codes() == ["2", "2"]
    text = re.sub(r"\s+", " ", output)
    assert "The run stopped at api1." in text, output[-3000:]
    assert re.search(r"- api1: .*well, and in the traffic", text), output[-3000:]
    assert re.search(r"- api2: .*not changed by this run", text), output[-3000:]
    fleet.use_release(4, threads=12)
    fleet.play("playbooks/deploy.yml", app=APP)
    assert fleet.codes() == ["4", "4"]
    fleet.play("playbooks/rollback.yml", app=APP)
    assert fleet.codes() == ["2", "2"]
    fleet.use_release(2, threads=12)


def test_tls_ends_at_the_load_balancer(fleet: Fleet) -> None:
    """Clients see the load balancer's certificate; API hosts have those of the private authority, for HAProxy alone."""
    authority, given = fleet.authority.read_text(), fleet.lb.run("cat", "/etc/ssl/given.crt")
    assert fleet.shown_certificate(8301, fleet.lb.address, authority) != ""
    answer = fleet.lb.ask(8302, "/", headers={"Host": NAME}, authority=write(fleet.folder / "given.crt", given))
    assert answer.status == 200
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    with pytest.raises(ssl.SSLError):
        fleet.shown_certificate(8302, "other.example.org", given)
    for host in fleet.apis:
        headers = {"Host": f"{NAME}.{host.name}.fleet.invalid"}
        assert host.ask(8302, "/", headers=headers, authority=str(fleet.authority)).status == 403
    for host in (fleet.lb, *fleet.apis):
        folder = "/etc/haproxy/grove-tls" if host is fleet.lb else "/etc/apache2/grove-tls"
        assert host.run("find", folder, "-name", "secure*") != ""
        assert host.run("find", folder, "-type", "f", "-perm", "/077", "-not", "-name", "*.crt") == ""
    assert fleet.lb.run("find", "/", "-xdev", "-name", "ca.key", "-not", "-path", "/proc/*") == ""


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_a_release_rolls_with_tls(fleet: Fleet) -> None:
    fleet.use_release(5, threads=12)
    with fleet.load("release with TLS", tls=True) as run, run.window("switch", "release 2"):
        fleet.play("playbooks/deploy.yml", app=SECURE)


@pytest.mark.timeout(3600)  # two whole runs, on a machine that may be busy
def test_certificates_are_renewed(fleet: Fleet) -> None:
    """Those of the API hosts and that of the load balancer, in one run, without a failed request."""
    authority = fleet.authority.read_text()
    before = fleet.shown_certificate(8301, fleet.lb.address, authority)
    own = [fleet.folder / "tls" / host.name / "secure.crt" for host in (fleet.lb, *fleet.apis)]
    former = [path.read_text() for path in own]
    with fleet.load("renewal", tls=True) as run, run.window("switch", "certificates"):
        for path in own:
            # A run makes what is missing, as it does within 30 days of the end.
            path.unlink()
        fleet.play("site.yml")
        after = fleet.shown_certificate(8301, fleet.lb.address, authority)
    assert after != before
    assert all(path.read_text() != text for path, text in zip(own, former, strict=True))
    for host, path in zip(fleet.apis, own[1:], strict=True):
        assert host.run("cat", "/etc/apache2/grove-tls/secure.crt") == path.read_text()
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}
    counts = re.findall(r"changed=(\d+)", fleet.play("site.yml"))
    assert counts == ["0", "0", "0"]


def test_a_given_certificate_is_renewed(fleet: Fleet) -> None:
    """The operator replaces the files on the load balancer, and runs site."""
    before = fleet.shown_certificate(8302, NAME, fleet.lb.run("cat", "/etc/ssl/given.crt"))
    files = ("-keyout", "/etc/ssl/private/given.key", "-out", "/etc/ssl/given.crt")
    names = ("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}")
    fleet.lb.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *names)
    with fleet.load("given certificate", tls=True) as run, run.window("switch", "certificate"):
        fleet.play("site.yml")
    assert fleet.shown_certificate(8302, NAME, fleet.lb.run("cat", "/etc/ssl/given.crt")) != before


def test_bad_fleets_are_refused_by_name(fleet: Fleet) -> None:
    """Nothing has changed when the run ends."""
    digest = fleet.lb.run("sha256sum", "/etc/haproxy/haproxy.cfg")
    holder = "import socket, time\ns = socket.socket()\ns.bind(('0.0.0.0', 8399))\ns.listen()\ntime.sleep(600)\n"
    fleet.lb.run("systemd-run", "--unit=holder", "python3", "-c", holder)
    wait_for(lambda: any(line.endswith(":8399") for line in fleet.lb.listeners()), "the port is not held")
    records = fleet.variables["wsgi_apps"]
    moved = [{**record, "listen": 8399} if record["name"] == APP else record for record in records]
    lost = [{**record, "tls_key": "/etc/ssl/none.key"} if record["name"] == "given" else record for record in records]
    other = fleet.folder / "other"
    other.mkdir(exist_ok=True)
    write(other / "ca.crt", fleet.lb.run("cat", "/etc/ssl/given.crt"))
    looped = [{**record, "listen": "127.0.0.1:8300"} if record["name"] == APP else record for record in records]
    for variables, words in (
        ({"wsgi_apps": moved}, "port 8399: python3"),
        ({"wsgi_apps": looped}, "record load, key listen: found 127.0.0.1 on api1"),
        ({"wsgi_apps": lost}, "record given, key tls_key: found /etc/ssl/none.key, which is not on the load balancer"),
        ({"wsgi_app_tls_ca_dir": str(other)}, "ca.crt of the private authority"),
        ({"load_balancer_host_address": "api.example.org"}, "load_balancer_host_address"),
    ):
        succeeded, output = fleet.try_play("site.yml", **variables)
        text = re.sub(r"\s+", " ", output)
        assert not succeeded
        assert words in text, output[-3000:]
        assert not re.search(r"changed=[1-9]", text), "something was changed"
    fleet.lb.run("systemctl", "stop", "holder")
    assert fleet.lb.run("sha256sum", "/etc/haproxy/haproxy.cfg") == digest


def test_a_host_is_lost_and_comes_back(fleet: Fleet) -> None:
    """Requests go to the other host. A run meanwhile names the lost host and changes nothing."""
    lost = fleet.apis[0]
    address = lost.address
    with fleet.load("killed host", may_fail=None) as run:
        with run.window("fault", "api1 is killed"):
            machine.podman("kill", lost.container)
            killed = time.monotonic()
            wait_for(lambda: fleet.states()["api1"].isdisjoint({"UP"}), "HAProxy has not noticed")
            fleet.note(f"killed host: HAProxy left it out after {time.monotonic() - killed:.1f} s")
        with run.window("fault", "api1 is away"):
            assert fleet.lb.ask(8300, "/").status == 200
            time.sleep(3)
    failed = {window.label: window.figures.failed for window in summary.summarize(run).windows}
    fleet.note(f"killed host: failed requests by window: {failed}")
    assert failed["api1 is away"] == 0, "requests failed after HAProxy had left the host out"
    succeeded, output = fleet.try_play("site.yml")
    assert not succeeded
    assert re.search(r"api1.*UNREACHABLE|fatal: \[api1\]: UNREACHABLE", output), output[-3000:]
    assert not re.search(r"changed=[1-9]", output), "something was changed"
    # podman would give it another address.
    machine.podman("network", "disconnect", "podman", lost.container)
    machine.podman("network", "connect", "--ip", address, "podman", lost.container)
    started = time.monotonic()
    machine.podman("start", lost.container)
    (machine.folder(lost.container) / "pid_file").write_text(
        machine.podman("inspect", "--format", "{{.PidFile}}", lost.container).strip()
    )
    wait_for(lambda: fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}, "the host does not come back", 600)
    fleet.note(f"killed host: it had requests again {time.monotonic() - started:.1f} s after its start")
    counts = re.findall(r"changed=(\d+)", fleet.play("site.yml"))
    assert counts == ["0", "0", "0"]
