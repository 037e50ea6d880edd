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
from host import create as create_host
from host import start as start_again
from killed import kill_at
from load import releases, summary
from load.process import under_load
from load.run_folder import RunFolder
from served import Host
from updates import LIBRARY, booting_again, first_process, is_updated, offer_update

REPOSITORY = Path(__file__).resolve().parents[2]
APP = "load"
"""The application that is replaced; its record is in molecule/switch/records.yml.j2."""
LOAD = ("--seconds", "3000", "--pause", "0.1", "--slow", "2", "--slow-seconds", "1", "3", "--timeout", "60")
"""Options of the load client."""
SECURE = "secure"
"""The same application with TLS."""
NAME = "given.example.org"
"""The server_name of the record with a given certificate, given."""
PACKAGE = "itsdangerous==2.2.0"
"""A package that no other record has, so that it is in no cache."""
NO_INDEX = "{'UV_OFFLINE': '1', 'UV_CACHE_DIR': '/var/tmp/no-cache', 'PIP_INDEX_URL': 'http://127.0.0.1:9/'}"
OFFLINE = f"{{{{ {{'UV_HTTP_RETRIES': '8'}} | combine({NO_INDEX} if inventory_hostname == 'api2' else {{}}) }}}}"
"""Of uv_environment: the second API host reaches no index, and no cache of uv, which hosts of checks share."""
LOG = "test1-access"
"""The log of the VirtualHost that test1 and test2 share."""
ASK = """
import urllib.request
ask = lambda: json.load(urllib.request.urlopen("http://127.0.0.1:8300/", timeout=60))["release"]["code"]
print(json.dumps([ask() for _ in range(20)]))
"""
"""Asks the load app twenty times which release answers."""
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

    def command(self, playbook: str, *options: str, **variables: object) -> list[str]:
        """Return the command of a run on the whole fleet."""
        path = self.folder / "variables.json"
        path.write_text(json.dumps({**self.variables, **variables}))
        inventory = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"))
        tool = str(Path(sys.executable).parent / "ansible-playbook")
        return [tool, "-i", inventory, "-e", f"@{path}", *options, playbook]

    def try_play(self, playbook: str, *options: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook on the whole fleet; return whether it succeeded, and its output."""
        command = self.command(playbook, *options, **variables)
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

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of the next run."""
        records: list[dict[str, Any]] = self.variables.get("wsgi_apps") or self.apis[0].apps
        return records

    def use_release(self, number: int, faults: dict[str, Any] | None = None, **more: object) -> None:
        """Let the next runs deploy release ``number`` of the load app, with further keys in its record."""
        made = releases.make(self.folder / "sources" / str(number), number, faults)
        new = releases.record(made, name=APP)
        changed = {"source": new["source"], "config": new["config"], **more}
        self.variables["wsgi_apps"] = [
            {**record, **changed} if record["name"] in (APP, SECURE) else record for record in self.records
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


@pytest.mark.short
def test_a_release_rolls(fleet: Fleet) -> None:
    """A release needs no drain; the hosts change one after the other."""
    fleet.use_release(2)
    with fleet.load("release") as run, run.window("switch", "release 2"):
        output = fleet.play("playbooks/deploy.yml", app=APP)
    assert fleet.codes() == ["2", "2"]
    assert not re.search(r"changed: .*(api1|api2) -> lb1", output), "a host was taken out for a release"


def test_one_api_host_builds_the_software_of_a_release(fleet: Fleet) -> None:
    """The other one reaches no index. It needs one where each host builds for itself."""
    fleet.use_release(2, requirements=[PACKAGE])
    with fleet.load("software") as run, run.window("switch", "release 2 with a package"):
        succeeded, output = fleet.try_play(
            "playbooks/deploy.yml", app=APP, uv_environment=OFFLINE, wsgi_app_share_software=False
        )
        assert not succeeded
        assert re.search(r"The run stopped at api2", output), output[-3000:]
        # The first host changes alone in any case.
        output = fleet.play("playbooks/deploy.yml", app=APP, uv_environment=OFFLINE, load_balancer_serial=2)
    assert "gets the software that another API host has built" in output
    digests = "find -L venv/lib -type f ! -name '*.pyc' | sort | xargs sha256sum; cat resolved.txt"
    contents = [
        host.run("bash", "-c", f"cd /srv/wsgi/load/slots/{host.live(APP)[0]}; {digests}") for host in fleet.apis
    ]
    assert PACKAGE.partition("==")[0] in contents[0]
    assert contents[0] == contents[1]
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}


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


@pytest.mark.short
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


@pytest.mark.timeout(3600)  # several runs, on a machine that may be busy
def test_a_full_disk_stops_at_its_host(fleet: Fleet) -> None:
    """The host serves its former release, in the traffic, and the next run goes on when there is space."""
    first, second = fleet.apis
    folder = f"/srv/wsgi/{APP}"
    fleet.use_release(7, threads=12)
    with second.small_disk(folder, 256):
        with fleet.load("full disk") as run, run.window("fault", "the disk of the second host is full"):
            with second.full_disk(folder):
                succeeded, output = fleet.try_play("playbooks/deploy.yml", app=APP)
                assert not succeeded
                assert fleet.codes() == ["7", "2"]
                text = re.sub(r"\s+", " ", output)
                assert f"The run stopped at {second.name}." in text, output[-3000:]
                assert "is full; nothing was left behind" in text, output[-3000:]
                assert re.search(rf"- {first.name}: .*well, and in the traffic", text), output[-3000:]
                assert re.search(rf"- {second.name}: .*well, and in the traffic", text), output[-3000:]
                assert fleet.states() == {first.name: {"UP"}, second.name: {"UP"}}
            fleet.play("playbooks/deploy.yml", app=APP)
            assert fleet.codes() == ["7", "7"]
            fleet.play("playbooks/rollback.yml", app=APP)
        assert fleet.codes() == ["2", "2"]
        fleet.use_release(2, threads=12)
    # Its processes have files of the small disk open.
    second.run("systemctl", "restart", "apache2")
    wait_for(lambda: fleet.states() == {first.name: {"UP"}, second.name: {"UP"}}, "the host is not up again")


@pytest.mark.timeout(3600)  # several runs, on a machine that may be busy
def test_a_killed_run_is_resumed(fleet: Fleet) -> None:
    """The next run completes it. A host that was out of the traffic stays out until then."""
    whole = {host.name: {"UP"} for host in fleet.apis}
    first, second = fleet.apis
    with fleet.load("killed run") as run, run.window("fault", "runs are killed"):
        fleet.use_release(8, threads=13)
        deployment = fleet.command("playbooks/deploy.yml", app=APP)
        assert kill_at(deployment, "Load the written configuration into the running Apache")
        states = fleet.states()
        assert states[first.name] != {"UP"}
        assert states[second.name] == {"UP"}
        assert fleet.codes()[1] == "2"
        fleet.play("playbooks/deploy.yml", app=APP)
        assert (fleet.codes(), fleet.states()) == (["8", "8"], whole)
        fleet.use_release(9, threads=13)
        deployment = fleet.command("playbooks/deploy.yml", app=APP)
        assert kill_at(deployment, "Switch the traffic of each application", 0.5)
        assert fleet.states() == whole
        assert fleet.codes()[1] == "8"
        fleet.play("playbooks/deploy.yml", app=APP)
        assert (fleet.codes(), fleet.states()) == (["9", "9"], whole)
        assert re.findall(r"changed=(\d+)", fleet.play("playbooks/deploy.yml", app=APP)) == ["0"] * 3
        fleet.use_release(2, threads=12)
        fleet.play("playbooks/deploy.yml", app=APP)
    assert (fleet.codes(), fleet.states()) == (["2", "2"], whole)


def test_a_canary_on_one_host(fleet: Fleet) -> None:
    """The host gives a part of its own requests to the release, and the other one none."""
    first, second = fleet.apis
    fleet.use_release(6, threads=12)

    def releases_of(host: Host) -> set[str]:
        answers = [host.python(ASK) for _ in range(3)]
        return {code for codes in answers for code in codes}

    with fleet.load("canary") as run, run.window("switch", "canary"):
        fleet.play("playbooks/canary.yml", "--limit", first.name, app=APP, percent=50)
        assert releases_of(first) == {"2", "6"}
        assert releases_of(second) == {"2"}
        # The other host has no canary that could be promoted.
        is_refused(fleet, "no release takes a share of the requests", "playbooks/canary.yml", app=APP, percent=100)
        fleet.play("playbooks/canary.yml", app=APP, percent=0)
        assert releases_of(first) == {"2"}
        fleet.play("playbooks/canary.yml", "--limit", first.name, app=APP, percent=50)
        fleet.play("playbooks/deploy.yml", app=APP)
    assert fleet.codes() == ["6", "6"]
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


@pytest.mark.short
@pytest.mark.timeout(3600)  # a whole run, on a machine that may be busy
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


def test_a_given_certificate_is_renewed(fleet: Fleet) -> None:
    """The operator replaces the files on the load balancer, and runs site."""
    before = fleet.shown_certificate(8302, NAME, fleet.lb.run("cat", "/etc/ssl/given.crt"))
    files = ("-keyout", "/etc/ssl/private/given.key", "-out", "/etc/ssl/given.crt")
    names = ("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}")
    fleet.lb.run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *names)
    with fleet.load("given certificate", tls=True) as run, run.window("switch", "certificate"):
        fleet.play("site.yml")
    assert fleet.shown_certificate(8302, NAME, fleet.lb.run("cat", "/etc/ssl/given.crt")) != before


def is_refused(fleet: Fleet, words: str, playbook: str = "site.yml", **variables: object) -> str:
    """Check that a run with other variables says ``words`` and changes nothing; return what it says, on one line."""
    digest = fleet.lb.run("sha256sum", "/etc/haproxy/haproxy.cfg")
    succeeded, output = fleet.try_play(playbook, **variables)
    text = re.sub(r"\s+", " ", output)
    assert not succeeded
    assert words in text, output[-3000:]
    assert not re.search(r"changed=[1-9]", text), "something was changed"
    assert fleet.lb.run("sha256sum", "/etc/haproxy/haproxy.cfg") == digest
    return text


@pytest.mark.short
def test_a_port_that_another_program_holds_is_refused(fleet: Fleet) -> None:
    holder = "import socket, time\ns = socket.socket()\ns.bind(('0.0.0.0', 8399))\ns.listen()\ntime.sleep(600)\n"
    fleet.lb.run("systemd-run", "--unit=holder", "python3", "-c", holder)
    wait_for(lambda: any(line.endswith(":8399") for line in fleet.lb.listeners()), "the port is not held")
    records = [{**record, "listen": 8399} if record["name"] == APP else record for record in fleet.records]
    is_refused(fleet, "port 8399: python3", wsgi_apps=records)
    fleet.lb.run("systemctl", "stop", "holder")


def test_bad_fleets_are_refused_by_name(fleet: Fleet) -> None:
    """Nothing has changed when the run ends."""
    records = fleet.records
    lost = [{**record, "tls_key": "/etc/ssl/none.key"} if record["name"] == "given" else record for record in records]
    other = fleet.folder / "other"
    other.mkdir(exist_ok=True)
    write(other / "ca.crt", fleet.lb.run("cat", "/etc/ssl/given.crt"))
    looped = [{**record, "listen": "127.0.0.1:8300"} if record["name"] == APP else record for record in records]
    is_refused(fleet, "record load, key listen: found 127.0.0.1 on api1", wsgi_apps=looped)
    is_refused(
        fleet,
        "record given, key tls_key: found /etc/ssl/none.key, which is not on the load balancer",
        wsgi_apps=lost,
    )
    is_refused(fleet, "ca.crt of the private authority", wsgi_app_tls_ca_dir=str(other))
    is_refused(fleet, "load_balancer_host_address", load_balancer_host_address="api.example.org")


AHEAD = """
mkdir -p /opt/ahead
printf 'import time\\nreal = time.time\\ntime.time = lambda: real() + 300\\n' >/opt/ahead/sitecustomize.py
printf '#!/bin/sh\\nPYTHONPATH=/opt/ahead exec /usr/bin/python3 "$@"\\n' >/opt/ahead/python3
chmod +x /opt/ahead/python3
"""
"""Makes a Python for which it is five minutes later. The hosts share the clock of one machine."""


def test_clocks_that_are_apart_are_refused(fleet: Fleet) -> None:
    fleet.apis[1].run("sh", "-c", AHEAD)
    python = "{{ '/opt/ahead/python3' if inventory_hostname == 'api2' else '/usr/bin/python3' }}"
    for playbook in ("site.yml", "playbooks/update_hosts.yml"):
        text = is_refused(fleet, "host api2: its clock is ", playbook, ansible_python_interpreter=python)
        assert re.search(r"its clock is (2[89].|30.) s ahead of that of", text), text[-3000:]
        assert "api1: its clock" not in text


@pytest.mark.timeout(3600)  # packages are upgraded on two hosts, which may be busy
def test_packages_are_updated_without_a_reboot(fleet: Fleet) -> None:
    """Each host leaves the traffic, and Apache restarts with the library that the update has installed."""
    for api in fleet.apis:
        offer_update(api, "+one")
    boots = [first_process(api) for api in fleet.apis]
    with fleet.load("packages") as run, run.window("switch", "packages"):
        fleet.play("playbooks/update_hosts.yml", reboot="never")
    assert all(is_updated(api, "+one") for api in fleet.apis)
    assert [first_process(api) for api in fleet.apis] == boots
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}
    output = fleet.play("playbooks/update_hosts.yml", reboot="never")
    assert re.findall(r"changed=(\d+)", output) == ["0", "0", "0"]
    text = re.sub(r"\s+", " ", output)
    left = (
        "no package has an update; not rebooted; only a reboot completes the update, since older files are run by init"
    )
    assert text.count(left) == len(fleet.apis), output[-3000:]


@pytest.mark.timeout(3600)  # two hosts reboot, which may be busy
def test_hosts_reboot_one_after_the_other(fleet: Fleet) -> None:
    """With reboot=auto, a host reboots because a process runs with a library that the update has replaced."""
    for api in fleet.apis:
        offer_update(api, "+two")
    boots = [first_process(api) for api in fleet.apis]
    with booting_again(fleet.apis) as order, fleet.load("reboot") as run, run.window("switch", "reboots"):
        output = fleet.play("playbooks/update_hosts.yml")
    assert order == ["api1", "api2"]
    assert all(is_updated(api, "+two") for api in fleet.apis)
    assert not set(boots) & {first_process(api) for api in fleet.apis}
    assert len(re.findall(rf"upgraded: .*{LIBRARY}.*; rebooted", output)) == len(fleet.apis), output[-3000:]
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}
    counts = re.findall(r"changed=(\d+)", fleet.play("playbooks/update_hosts.yml"))
    assert counts == ["0", "0", "0"]


@pytest.mark.short
@pytest.mark.timeout(3600)  # a host reboots, which may be busy
def test_one_host_reboots(fleet: Fleet) -> None:
    """With --limit, the other one is untouched."""
    first, second = fleet.apis
    boots = [first_process(api) for api in fleet.apis]
    with booting_again([first]) as order, fleet.load("one reboot") as run, run.window("switch", "api1 reboots"):
        fleet.play("playbooks/update_hosts.yml", "--limit", first.name, reboot="always")
    assert order == [first.name]
    assert first_process(first) != boots[0]
    assert first_process(second) == boots[1]
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}


@pytest.mark.timeout(3600)  # three reboots of hosts, which may be busy
def test_a_host_that_does_not_come_back_stops_the_reboots(fleet: Fleet) -> None:
    """The run names it, and the other host is untouched. The next run goes on."""
    first, second = fleet.apis
    address, boot = first.address, first_process(second)
    with fleet.load("lost reboot") as run, run.window("fault", "api1 does not come back"):
        succeeded, output = fleet.try_play(
            "playbooks/update_hosts.yml", reboot="always", debian_packages_reboot_seconds=30
        )
    text = re.sub(r"\s+", " ", output)
    assert not succeeded
    assert "The run stopped at api1." in text, output[-3000:]
    assert re.search(r"- api1: unknown; out of the traffic", text), output[-3000:]
    assert re.search(r"- api2: .*not changed by this run", text), output[-3000:]
    assert first_process(second) == boot
    start_again(first.container, address)
    check = ("playbooks/update_hosts.yml", "--check")
    wait_for(lambda: fleet.try_play(*check)[0], "api1 is not well after its start", 900)
    with booting_again(fleet.apis) as order:
        fleet.play("playbooks/update_hosts.yml", reboot="always")
    assert order == ["api1", "api2"]
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}


@pytest.mark.timeout(3600)  # packages are upgraded on a host that may be busy
def test_the_load_balancer_is_updated(fleet: Fleet) -> None:
    """HAProxy runs with a newer program and a newer library, without a failed request and without a reboot."""
    boot = first_process(fleet.lb)
    for package in ("haproxy", LIBRARY):
        offer_update(fleet.lb, "+one", package)
        with fleet.load(f"load balancer {package}") as run, run.window("switch", package):
            output = fleet.play("playbooks/update_hosts.yml")
        text = re.sub(r"\s+", " ", output)
        assert re.search(rf"upgraded: [^;]*{package}[^;]*; not rebooted", text), output[-3000:]
        version = fleet.lb.run("dpkg-query", "--show", "--showformat=${Version}", package)
        assert version.endswith("+one")
        wait_for(lambda: not older_haproxy(fleet.lb), "a process of HAProxy runs with older files")
        assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}
    assert "a reboot would interrupt every app, and needs -e interrupt=true" in text, "init has loaded the library"
    assert first_process(fleet.lb) == boot
    assert re.findall(r"changed=(\d+)", fleet.play("playbooks/update_hosts.yml")) == ["0", "0", "0"]


@pytest.mark.timeout(3600)  # packages are upgraded on a host that may be busy
def test_an_installed_haproxy_that_refuses_the_configuration_is_not_started(fleet: Fleet) -> None:
    offer_update(fleet.lb, "+two", "haproxy", broken="/usr/sbin/haproxy")
    with fleet.load("broken haproxy") as run, run.window("fault", "broken haproxy"):
        succeeded, output = fleet.try_play("playbooks/update_hosts.yml")
    text = re.sub(r"\s+", " ", output)
    assert not succeeded
    assert "the installed HAProxy refuses the configuration, and the former one runs on: unknown keyword" in text
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}
    offer_update(fleet.lb, "+two.1", "haproxy")
    with fleet.load("mended haproxy") as run, run.window("switch", "mended haproxy"):
        fleet.play("playbooks/update_hosts.yml")
    wait_for(lambda: not older_haproxy(fleet.lb), "a process of HAProxy runs with older files")


@pytest.mark.timeout(3600)  # a host reboots, which may be busy
def test_the_load_balancer_reboots_with_a_permission(fleet: Fleet) -> None:
    """Its clients wait or fail meanwhile. Afterwards, everything is as before."""
    boot = first_process(fleet.lb)
    with booting_again([fleet.lb]) as order, fleet.load("load balancer reboots", may_fail=None) as run:
        with run.window("fault", "lb1 reboots"):
            output = fleet.play("playbooks/update_hosts.yml", interrupt=True, reboot="auto")
        with run.window("fault", "lb1 has rebooted"):
            time.sleep(3)
    assert order == ["lb1"]
    assert first_process(fleet.lb) != boot
    assert re.search(r"no package has an update; rebooted", re.sub(r"\s+", " ", output)), output[-3000:]
    failed = {window.label: window.figures.failed for window in summary.summarize(run).windows}
    fleet.note(f"load balancer reboots: failed requests by window: {failed}")
    assert failed["lb1 has rebooted"] == 0
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}
    assert re.findall(r"changed=(\d+)", fleet.play("playbooks/update_hosts.yml")) == ["0", "0", "0"]


def older_haproxy(host: Host) -> str:
    """Return which processes of HAProxy run with replaced files."""
    found = "for pid in $(pidof haproxy); do grep -l ' /usr/.*(deleted)$' /proc/$pid/maps; done"
    return host.try_run("bash", "-c", found).stdout


UNITS = """
set -e
cd /etc/systemd/system
printf '[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n' >grove-load-sweep.timer
printf '[Service]\\nExecStart=true\\n' >grove-load-sweep.service
printf '[Service]\\nExecStart=sleep infinity\\n# --agent mail\\n' >grove-load-mail.service
printf '[Install]\\nWantedBy=multi-user.target\\n' >>grove-load-mail.service
systemctl daemon-reload
systemctl enable --quiet --now grove-load-sweep.timer grove-load-mail.service
"""
"""A timer and an agent of the load app, as their units look."""
FORGET = "apt-get remove --autoremove --yes gcc apache2-dev && rm -r /opt/grove/uv /opt/grove/httpd /srv/wsgi/load"
"""Removes what is built once on a host, what builds it, and an app."""


@pytest.mark.timeout(3600)  # three runs on hosts that may be busy
def test_a_host_leaves_the_fleet_and_joins_it(fleet: Fleet) -> None:
    """The other API host is not changed. The last host of an app stays."""
    _, leaving = fleet.apis
    leaving.run("bash", "-c", UNITS)
    with fleet.load("scale in") as run, run.window("switch", "api2 leaves"):
        output = fleet.play("playbooks/scale_in.yml", host="api2")
    assert "Remove it from the inventory" in re.sub(r"\s+", " ", output)
    assert fleet.states() == {"api1": {"UP"}, "api2": set()}
    assert "server api2 " not in fleet.lb.run("cat", "/etc/haproxy/haproxy.cfg")
    for unit in ("apache2.service", "grove-load-sweep.timer", "grove-load-mail.service"):
        assert leaving.try_run("systemctl", "is-active", unit).stdout.strip() == "inactive", unit
        assert leaving.try_run("systemctl", "is-enabled", unit).stdout.strip() == "disabled", unit
    assert re.search(r"api1 .*changed=0", output)
    assert re.search(r"api2 .*changed=0", fleet.play("playbooks/scale_in.yml", host="api2"))
    for name, words in (("api1", "no other API host serves"), ("api9", "found -e host=api9")):
        succeeded, output = fleet.try_play("playbooks/scale_in.yml", host=name)
        assert not succeeded
        assert words in re.sub(r"\s+", " ", output), output[-3000:]
        assert fleet.states() == {"api1": {"UP"}, "api2": set()}
    # A new host, which reaches no index and has no compiler.
    leaving.run("bash", "-c", FORGET)
    with fleet.load("scale out") as run, run.window("switch", "api2 joins"):
        output = fleet.play("playbooks/scale_out.yml", host="api2", uv_environment=OFFLINE)
    assert re.search(r"api1 .*changed=0", output)
    assert leaving.try_run("which", "gcc").returncode != 0
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}
    assert leaving.run("systemctl", "is-enabled", "apache2").strip() == "enabled"
    assert re.findall(r"changed=(\d+)", fleet.play("site.yml")) == ["0", "0", "0"]
    assert leaving.try_run("which", "gcc").returncode != 0


@pytest.mark.timeout(3600)  # a host is set up from nothing
def test_a_lost_host_is_replaced(fleet: Fleet) -> None:
    """A fresh machine gets the lost one's name and work, at another address, and a certificate of its own."""
    lost = fleet.apis[1]
    address = lost.address
    certificate = fleet.folder / "tls" / lost.name / "secure.crt"
    former = certificate.read_text()

    def is_kept(words: str) -> None:
        is_refused(fleet, words, "playbooks/replace.yml", host=lost.name)
        assert certificate.read_text() == former

    is_kept("api2 is not lost: it answers, and gets requests for given, load, secure, test1, test2.")
    with fleet.load("lost host", may_fail=None):
        machine.podman("kill", lost.container)
        wait_for(lambda: fleet.states()["api2"].isdisjoint({"UP"}), "HAProxy has not noticed")
    is_kept("api2")
    spare = create_host(lost.container, "bookworm", owner=str(REPOSITORY))
    lost.run("apt-get", "update")
    (fleet.folder / f"{lost.name}.address").write_text(spare)
    with fleet.load("replacement") as run, run.window("switch", "api2 is replaced"):
        output = fleet.play("playbooks/replace.yml", host=lost.name, uv_environment=OFFLINE)
    assert re.search(r"api1 .*changed=0", output)
    fleet.note(f"replacement: {address} became {spare}")
    assert lost.try_run("which", "gcc").returncode != 0
    assert fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}
    assert fleet.codes()[0] == fleet.codes()[1]
    assert certificate.read_text() != former
    former = certificate.read_text()
    is_kept("api2 is not lost")
    assert re.findall(r"changed=(\d+)", fleet.play("site.yml")) == ["0", "0", "0"]


def test_a_host_does_not_join_with_other_releases(fleet: Fleet) -> None:
    records = fleet.records
    fleet.use_release(9)
    new, fleet.variables["wsgi_apps"] = fleet.records, records
    words = "api2 would serve other releases than the other API hosts"
    is_refused(fleet, words, "playbooks/scale_out.yml", host="api2", wsgi_apps=new)


@pytest.mark.short
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
    started = time.monotonic()
    start_again(lost.container, address)
    wait_for(lambda: fleet.states() == {"api1": {"UP"}, "api2": {"UP"}}, "the host does not come back", 600)
    fleet.note(f"killed host: it had requests again {time.monotonic() - started:.1f} s after its start")
    counts = re.findall(r"changed=(\d+)", fleet.play("site.yml"))
    assert counts == ["0", "0", "0"]
