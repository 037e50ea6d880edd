"""HAProxy's configuration and its runtime sockets, with the real HAProxy in front of two small servers."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.grove.wsgi.plugins.filter import balancing as filters
from ansible_collections.grove.wsgi.plugins.module_utils.load_balancer import configuration, members, process, runtime
from ansible_collections.grove.wsgi.plugins.plugin_utils import balancing
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import apache_view
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from ports import free_port
from record_settings import SETTINGS, SPEC

pytestmark = pytest.mark.debian_packages("haproxy")

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATES = REPOSITORY / "roles/load_balancer/templates"
HAPROXY = "/usr/sbin/haproxy"
ADDRESSES = {"api1": "127.0.0.2", "api2": "127.0.0.3"}
SECONDS = 60.0
"""Until HAProxy has noticed something: generous, for a busy machine."""


def views(host: str, *records: dict[str, Any]) -> dict[str, dict[str, Any]]:
    written = [{"source": "shop==1", "entry": {"module": "shop:application"}, **one} for one in records]
    checked = check_records(written, SPEC, dataclasses.replace(SETTINGS, balanced=True, host_name=host))
    assert [str(problem) for problem in checked.problems] == []
    return {record.name: apache_view(record) for record in checked.deployed}


def plan(*records: dict[str, Any], addresses: dict[str, str] = ADDRESSES) -> dict[str, Any]:
    return balancing.plan({host: views(host, *records) for host in addresses}, addresses)


class Authority:
    """A private authority, and certificates that it has signed, in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._openssl("ca", "-subj", "/CN=authority")
        self.certificate = folder / "ca.crt"

    def sign(self, name: str, *names: str) -> tuple[Path, Path]:
        """Return a new certificate for ``names``, and its key."""
        alternative = ",".join(f"DNS:{each}" for each in names)
        signed = ["-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key")]
        self._openssl(name, *signed, "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}")
        return self.folder / f"{name}.crt", self.folder / f"{name}.key"

    def _openssl(self, name: str, *options: str) -> None:
        files = ["-keyout", str(self.folder / f"{name}.key"), "-out", str(self.folder / f"{name}.crt")]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        subprocess.run([*command, *files, *options], check=True, capture_output=True)


def files_of(plan: dict[str, Any], authority: Authority) -> list[configuration.File]:
    """Return the files of a load balancer, with a new certificate for each VirtualHost."""
    texts = {}
    for each in plan["certificates"]:
        for path in authority.sign(each["name"], *(each["names"] or ["lb1"])):
            texts[path.name] = path.read_text()
    written = filters.files_of_load_balancer(plan, texts, [authority.certificate.read_text()])
    return [configuration.File(one["name"], one["text"]) for one in written]


ALONE = {"address": "", "own": "127.0.0.1"}
"""A load balancer that shares no address."""


def template_text(
    plan: dict[str, Any], statistics: int, shared: dict[str, str] = ALONE, listen: str = "127.0.0.1"
) -> str:
    """Return the role's configuration, which listens on the loopback address unless ``listen`` is another one."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.filters["comment"] = lambda text: f"# {text}"
    return environment.get_template("haproxy.cfg.j2").render(
        ansible_managed="managed",
        plan=plan,
        shared=shared,
        load_balancer_listen=listen,
        load_balancer_statistics=f"127.0.0.1:{statistics}",
        load_balancer_max_connections=200,
    )


def render(plan: dict[str, Any], folder: Path, statistics: int, files: Sequence[configuration.File] = ()) -> str:
    """Return the configuration with its sockets in ``folder``, and write ``files`` into a folder below ``folder``."""
    text = template_text(plan, statistics)
    paths, texts = configuration.placed(files)
    (folder / "tls").mkdir(exist_ok=True)
    for path, content in texts.items():
        (folder / "tls" / path.name).write_text(content.replace(f"{configuration.CERTIFICATES}/", f"{folder}/tls/"))
    for name, path in paths.items():
        text = text.replace(f"@{name}@", f"{folder}/tls/{path.name}")
    # On a busy machine, more time than in operation may be between two requests of a client.
    assert text.count("timeout http-keep-alive 25s") == 1
    text, _ = configuration.complete(text.replace("timeout http-keep-alive 25s", "timeout http-keep-alive 250s"))
    kept = [line for line in text.splitlines() if not re.match(r"\s+(chroot|user|group)\b", line)]
    return "\n".join(kept).replace("/run/haproxy/", f"{folder}/") + "\n"


@pytest.mark.parametrize(
    "records",
    [
        [],
        [{"name": "shop", "listen": 8080}],
        [
            {"name": "one", "listen": 8080, "server_name": "one.example.org", "server_aliases": ["*.one.example.org"]},
            {"name": "two", "listen": 8080, "server_name": "two.example.org", "path": "/a.b~_-c"},
            {"name": "any", "listen": 8080},
            {"name": "far", "listen": 8081, "health": {"path": "/x-y_z.~", "status": [200, 401], "host": "h:1"}},
            {"name": "odd", "listen": 8082, "health": {"path": "/", "headers": {"X-A": "a 'b' \"c\" \\ $d #e %f {g}"}}},
        ],
        [
            {"name": "any", "listen": 8443, "tls": "private_ca"},
            {
                "name": "one",
                "listen": 8443,
                "tls": "private_ca",
                "server_name": "one.example.org",
                "server_aliases": ["*.one.example.org"],
            },
            {"name": "lone", "listen": 8444, "tls": "private_ca", "server_name": "lone.example.org"},
            {"name": "plain", "listen": 8080},
        ],
    ],
)
def test_haproxy_reads_the_configuration_of(records: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "haproxy.cfg"
    own = plan(*records, addresses={"api1": "192.0.2.1", "api2": "2001:db8::1"})
    path.write_text(render(own, tmp_path, 9119, files_of(own, Authority(tmp_path / "authority"))))
    done = subprocess.run([HAPROXY, "-c", "-f", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr


def test_an_address_that_load_balancers_share(tmp_path: Path) -> None:
    """A backup listens on it without having it. Requests go out from the own address."""
    own = plan({"name": "shop", "listen": 8080}, addresses={"api1": "192.0.2.21", "api2": "2001:db8::2"})
    for shared, listen, bound, sources in (
        (ALONE, "*", "bind :8080", []),
        (
            {"address": "192.0.2.9", "own": "192.0.2.10"},
            "192.0.2.9",
            "bind 192.0.2.9:8080 transparent",
            ["192.0.2.21:8080 source 192.0.2.10"],
        ),
        ({"address": "2001:db8::9", "own": "2001:db8::1"}, "2001:db8::9", "bind 2001:db8::9:8080 transparent", None),
        (
            {"address": "2001:db8::9", "own": "2001:db8::1"},
            "::",
            "bind :::8080 v4v6",
            ["[2001:db8::2]:8080 source [2001:db8::1]"],
        ),
    ):
        text = template_text(own, 9119, shared, listen)
        assert f"    {bound}\n" in text
        assert sources is None or re.findall(r"server \S+ (\S+ source .*)", text) == sources
        path = tmp_path / "haproxy.cfg"
        path.write_text(text)
        done = subprocess.run([HAPROXY, "-c", "-f", path], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def answers_keepalived(folder: Path) -> bool:
    """Return what keepalived learns from the program that asks HAProxy."""
    program = REPOSITORY / "roles/load_balancer/files/haproxy_answers.py"
    command = ["/usr/bin/python3", "-I", "-S", str(program), f"{folder}/admin.sock"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("", "")
    return done.returncode == 0


@dataclass
class Api:
    """A small server in the place of an API host. It answers with its name and with what HAProxy has sent."""

    name: str
    port: int
    status: int = 200
    silent: bool = False
    release: threading.Event = field(default_factory=threading.Event)
    seen: list[str] = field(default_factory=list)
    health_headers: dict[str, str] = field(default_factory=dict)
    server: ThreadingHTTPServer | None = None
    pair: tuple[Path, Path] | None = None
    """Certificate and key, if the server speaks TLS."""

    def start(self) -> None:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                self.rfile.read(length)
                if self.path == "/health":
                    api.health_headers = dict(self.headers.items())
                elif api.silent:
                    api.seen.append(f"{self.command} {self.path}")
                    self.close_connection = True
                    return
                else:
                    api.seen.append(f"{self.command} {self.path}")
                if self.path == "/slow":
                    api.release.wait(SECONDS)
                text = json.dumps({"name": api.name, "headers": dict(self.headers.items())}).encode()
                self.send_response(api.status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                """Print nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Print nothing of a client that does not accept the certificate."""

        self.server = Server((ADDRESSES[self.name], self.port), Handler)
        if self.pair:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*self.pair)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None


@dataclass
class Fleet:
    """HAProxy and its two API hosts. ``members`` are those of a host in HAProxy's plan."""

    haproxy: runtime.Haproxy
    apis: dict[str, Api]
    port: int
    statistics: int
    folder: Path
    process: subprocess.Popen[bytes]
    plan: dict[str, Any]
    authority: Authority | None

    def members(self, host: str) -> list[members.Member]:
        return members.members_of(host, members.plan_of(self.folder / "plan.json"))

    def ask(
        self, path: str = "/", method: str = "GET", headers: dict[str, str] | None = None, port: int | None = None
    ) -> tuple[int, Any]:
        with contextlib.closing(self.connect(port)) as connection:
            connection.request(method, path, body=b"x" if method == "POST" else None, headers=headers or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith("{") else text

    def connect(self, port: int | None = None, name: str = "") -> http.client.HTTPConnection:
        """Return a connection to HAProxy. On its port with TLS, the certificate has to be for ``name``."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=SECONDS)
        if self.authority and not port:
            context = ssl.create_default_context(cafile=str(self.authority.certificate))
            context.set_alpn_protocols(["h2", "http/1.1"])
            connection.connect()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=name or "lb1")
        return connection

    def shown(self) -> str:
        """Return the serial number of the certificate on a new connection; nothing while HAProxy has none."""
        try:
            with contextlib.closing(self.connect()) as connection:
                return serial(connection)
        except OSError:
            return ""

    def names(self, requests: int = 8) -> set[str]:
        return {self.ask()[1]["name"] for _ in range(requests)}

    def description(self) -> str:
        """Return the first word of what HAProxy says of itself; nothing while it changes."""
        try:
            return self.haproxy.info()["description"].split()[0]
        except runtime.RuntimeSocketError:
            return ""

    def state(self, host: str) -> tuple[bool, str]:
        (server,) = (one for one in self.haproxy.servers() if one.name == host)
        return server.up, server.state

    def last_check(self, host: str) -> str:
        return next(one.check for one in self.haproxy.servers() if one.name == host)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with running(tmp_path) as fleet:
        yield fleet


@contextlib.contextmanager
def running(tmp_path: Path, authority: Authority | None = None, **keys: Any) -> Iterator[Fleet]:
    """Run HAProxy and its API hosts with a record that has further ``keys``; with an authority, they speak TLS."""
    port, statistics = free_port(), free_port()
    health = {"path": "/health", "headers": {"X-Probe": 'it\'s "1"'}}
    own = plan({"name": "shop", "listen": port, "health": health, **keys})
    (tmp_path / "plan.json").write_text(json.dumps(own))
    files = files_of(own, authority) if authority else []
    (tmp_path / "haproxy.cfg").write_text(render(own, tmp_path, statistics, files))
    apis = {name: Api(name, port) for name in ADDRESSES}
    if authority:
        for server in own["backends"][0]["servers"]:
            apis[server["name"]].pair = authority.sign(server["name"], server["certified"])
    for api in apis.values():
        api.start()
    command = [HAPROXY, "-W", "-S", f"{tmp_path}/master.sock", "-f", f"{tmp_path}/haproxy.cfg"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    haproxy = runtime.Haproxy(tmp_path / "admin.sock", tmp_path / "master.sock")

    def is_ready() -> bool:
        assert process.poll() is None, (tmp_path / "log").read_text()
        try:
            return haproxy.failed_reloads() == 0 and all(server.up for server in haproxy.servers())
        except runtime.RuntimeSocketError:
            return False

    try:
        wait_for(is_ready, "HAProxy does not start")
        yield Fleet(haproxy, apis, port, statistics, tmp_path, process, own, authority)
    finally:
        for api in apis.values():
            api.release.set()
        process.terminate()
        process.wait(SECONDS)
        for api in apis.values():
            api.stop()


def test_both_hosts_get_requests_with_the_clients_address_alone(fleet: Fleet) -> None:
    assert fleet.names() == {"api1", "api2"}
    told = {
        **dict.fromkeys(("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Prefix", "Forwarded"), "evil"),
        **dict.fromkeys(("X-Request-ID", "X-Grove-Door", "X-Grove-Slot", "X-Forwarded-Proto"), "evil"),
    }
    _, answer = fleet.ask(headers=told)
    forwarded = {name: value for name, value in answer["headers"].items() if name.lower().startswith(("x-", "forw"))}
    assert {name.lower(): value for name, value in forwarded.items()} == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
    }
    headers = {name.lower(): value for name, value in fleet.apis["api1"].health_headers.items()}
    assert headers["x-probe"] == 'it\'s "1"'
    assert headers["host"] == f"127.0.0.1:{fleet.port}"


def test_a_host_leaves_after_its_last_request_and_comes_back(fleet: Fleet) -> None:
    busy = fleet.apis["api1"]
    slow = [threading.Thread(target=fleet.ask, args=("/slow",)) for _ in range(4)]
    for thread in slow:
        thread.start()
    reached = [api.seen for api in fleet.apis.values()]
    wait_for(lambda: sum(seen.count("GET /slow") for seen in reached) == len(slow), "not every request reached a host")
    # HAProxy decides how many of them each host has.
    own = busy.seen.count("GET /slow")
    assert own, "no slow request reached api1"
    result = members.take_out(fleet.haproxy, "api1", fleet.members("api1"), 0.5)
    assert (result["changed"], result["backends"], result["sessions_left"]) == (True, ["app-shop"], own)
    for api in fleet.apis.values():
        api.release.set()
    result = members.take_out(fleet.haproxy, "api1", fleet.members("api1"), SECONDS)
    assert (result["changed"], result["sessions_left"]) == (False, 0)
    for thread in slow:
        thread.join(SECONDS)
    assert fleet.names() == {"api2"}
    result = members.put_back(fleet.haproxy, {"api1": fleet.members("api1")}, SECONDS)
    assert (result["changed"], result["put_back"]) == (True, ["app-shop"])
    assert fleet.names() == {"api1", "api2"}
    assert not members.put_back(fleet.haproxy, {"api1": fleet.members("api1")}, SECONDS)["changed"]


def test_the_last_host_that_is_up_stays(fleet: Fleet) -> None:
    fleet.apis["api2"].status = 500
    wait_for(lambda: not fleet.state("api2")[0], "api2 is still up")
    with pytest.raises(
        members.MemberError, match=r"api1 stays in the traffic: .* app-shop is up \(api2 is down \(.*wrong status.*\)\)"
    ):
        members.take_out(fleet.haproxy, "api1", fleet.members("api1"), SECONDS)
    assert fleet.state("api1") == (True, runtime.READY)
    # The one that is down may leave.
    assert members.take_out(fleet.haproxy, "api2", fleet.members("api2"), SECONDS)["changed"]


def test_the_only_host_of_an_app_stays_where_that_is_asked_for(fleet: Fleet) -> None:
    lone = [dataclasses.replace(member, alone=True) for member in fleet.members("api1")]
    with pytest.raises(members.MemberError, match=r"api1 stays in the traffic: no other API host serves shop;"):
        members.take_out(fleet.haproxy, "api1", lone, SECONDS, keep_alone=False)
    assert fleet.state("api1") == (True, runtime.READY)
    assert members.take_out(fleet.haproxy, "api1", fleet.members("api1"), SECONDS, keep_alone=False)["changed"]


def test_a_lost_host_gets_no_requests_and_no_patience(fleet: Fleet) -> None:
    """A request that has reached a lost host gets no answer, so nobody waits for it."""

    def served(host: str) -> dict[str, str]:
        return members.served_apps(fleet.haproxy, host, fleet.members(host))

    assert served("api2") == {"shop": ADDRESSES["api2"]}
    assert members.hosts_down(fleet.haproxy, fleet.plan) == []
    slow = [threading.Thread(target=fleet.ask, args=("/slow",)) for _ in range(4)]
    for thread in slow:
        thread.start()
    seen = fleet.apis["api2"].seen
    wait_for(lambda: "GET /slow" in seen, "no slow request reached api2")
    fleet.apis["api2"].status = 500
    wait_for(lambda: not fleet.state("api2")[0], "api2 is still up")
    assert served("api2") == {}
    assert members.hosts_down(fleet.haproxy, fleet.plan) == ["api2"]
    started = time.monotonic()
    assert members.take_out(fleet.haproxy, "api2", fleet.members("api2"), SECONDS)["changed"]
    assert time.monotonic() - started < SECONDS / 2
    fleet.apis["api2"].status = 200
    wait_for(lambda: fleet.state("api2") == (True, runtime.DRAIN), "api2 does not come up")
    assert served("api2") == {}
    for api in fleet.apis.values():
        api.release.set()
    for thread in slow:
        thread.join(SECONDS)


def test_a_new_host_has_to_answer_before_haproxy_knows_it(fleet: Fleet) -> None:
    """HAProxy asks a host from its next configuration on, and sends requests before the first answer."""
    former = {"backends": [{**one, "servers": one["servers"][:1]} for one in fleet.plan["backends"]]}
    assert [member.alone for member in members.members_of("api1", former)] == [True]
    assert members.check_answers(["api1"], fleet.plan, former, SECONDS)["backends"] == []
    assert members.check_answers(["api2"], fleet.plan, former, SECONDS)["backends"] == ["app-shop"]
    fleet.apis["api2"].status = 503
    with pytest.raises(members.MemberError, match=r"app shop on api2: .*answered 503; .* keeps its configuration"):
        members.check_answers(["api2"], fleet.plan, former, 0.3)
    # A host that HAProxy asks already is watched by HAProxy.
    assert members.check_answers(["api2"], fleet.plan, fleet.plan, SECONDS)["backends"] == []


def test_a_host_that_is_not_well_stays_out(fleet: Fleet) -> None:
    members.take_out(fleet.haproxy, "api1", fleet.members("api1"), SECONDS)
    fleet.apis["api1"].status = 503
    with pytest.raises(members.MemberError, match=r"app shop on api1: /health, .*answered 503; it has to answer 200"):
        members.put_back(fleet.haproxy, {"api1": fleet.members("api1")}, 0.3)
    assert fleet.state("api1")[1] == runtime.DRAIN
    assert fleet.names() == {"api2"}


def test_a_request_that_changes_nothing_goes_to_another_host_and_no_other_request_is_repeated(fleet: Fleet) -> None:
    fleet.apis["api1"].silent = True
    answers = [fleet.ask(f"/{number}") for number in range(6)]
    assert {status for status, _ in answers} == {200}
    assert fleet.apis["api1"].seen, "no request reached api1"
    posted = [fleet.ask(f"/post{number}", "POST")[0] for number in range(4)]
    reached = [one for api in fleet.apis.values() for one in api.seen if one.startswith("POST")]
    assert sorted(reached) == sorted(f"POST /post{number}" for number in range(4)), "a request was repeated"
    assert 502 in posted


def test_statistics_and_metrics_answer_on_their_own_address(fleet: Fleet) -> None:
    assert "Statistics Report" in fleet.ask("/", port=fleet.statistics)[1]
    assert 'haproxy_server_status{proxy="app-shop",server="api1"' in fleet.ask("/metrics", port=fleet.statistics)[1]
    assert fleet.ask("/metrics")[1]["name"] in ADDRESSES


def test_a_reload_leaves_the_former_process_its_connections(fleet: Fleet) -> None:
    path = fleet.folder / "haproxy.cfg"
    assert fleet.haproxy.info()["description"].startswith("grove ")
    assert not fleet.haproxy.has_old_workers()
    client = http.client.HTTPConnection("127.0.0.1", fleet.port, timeout=SECONDS)
    with contextlib.closing(client):
        client.request("GET", "/")
        client.getresponse().read()
        path.write_text(path.read_text().replace("description grove ", "description changed "))
        fleet.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: fleet.description() == "changed", "HAProxy does not read its new configuration")
        assert fleet.haproxy.has_old_workers()
        client.request("GET", "/")
        assert client.getresponse().status == 200
    wait_for(lambda: not fleet.haproxy.has_old_workers(), "the former process does not end")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        path.write_text(f"{path.read_text()}\nlisten held\n    bind 127.0.0.1:{holder.getsockname()[1]}\n")
        fleet.process.send_signal(signal.SIGUSR2)
        wait_for(lambda: fleet.haproxy.failed_reloads() == 1, "HAProxy runs with a port that it cannot have")
    assert fleet.names() == {"api1", "api2"}


def test_keepalived_moves_the_address_when_haproxy_does_not_answer(fleet: Fleet) -> None:
    """Neither a reload nor clients that take all connections do that. A process that stands still does."""
    clients = [socket.create_connection(("127.0.0.1", fleet.port), SECONDS) for _ in range(220)]
    wait_for(lambda: int(fleet.haproxy.info()["CurrConns"]) >= 200, "HAProxy accepts more than its limit")
    assert answers_keepalived(fleet.folder)
    for client in clients:
        client.close()
    before = fleet.haproxy.info()["Pid"]
    fleet.process.send_signal(signal.SIGUSR2)
    end = time.monotonic() + SECONDS
    reloaded = False
    while not reloaded:
        assert time.monotonic() < end, "HAProxy does not reload"
        assert answers_keepalived(fleet.folder), "HAProxy does not answer while it reloads"
        reloaded = fleet.description() == "grove" and fleet.haproxy.info()["Pid"] != before
    worker = int(fleet.haproxy.info()["Pid"])
    os.kill(worker, signal.SIGSTOP)
    try:
        assert not answers_keepalived(fleet.folder)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert answers_keepalived(fleet.folder)
    assert not answers_keepalived(fleet.folder / "none")


def serial(connection: http.client.HTTPConnection) -> str:
    """Return the serial number of the certificate that HAProxy shows."""
    assert isinstance(connection.sock, ssl.SSLSocket)
    certificate = connection.sock.getpeercert()
    assert certificate is not None
    return str(certificate["serialNumber"])


def test_several_hosts_are_asked_at_once(fleet: Fleet) -> None:
    """The one that is well comes back, and the other one is named."""
    for name in ("api1", "api2"):
        fleet.haproxy.set_state("app-shop", name, runtime.DRAIN)
    fleet.apis["api2"].status = 503
    both = {name: fleet.members(name) for name in ("api1", "api2")}
    with pytest.raises(members.MemberError, match=r"^app shop on api2: .*answered 503") as refusal:
        members.put_back(fleet.haproxy, both, 0.3)
    assert refusal.value.result["put_back"] == ["app-shop"]
    assert fleet.state("api1")[1] == runtime.READY
    assert fleet.state("api2")[1] == runtime.DRAIN
    with pytest.raises(members.MemberError, match="app shop on api2"):
        members.check_answers(["api1", "api2"], fleet.plan, {"backends": []}, 0.3)
    fleet.apis["api2"].status = 200
    assert members.put_back(fleet.haproxy, both, SECONDS)["put_back"] == ["app-shop"]
    assert fleet.names() == {"api1", "api2"}
    answered = members.check_answers(["api1", "api2"], fleet.plan, {"backends": []}, SECONDS)
    assert answered["backends"] == ["app-shop", "app-shop"]


def test_tls_ends_and_begins_anew(tmp_path: Path) -> None:
    """HAProxy verifies each API host, and says that clients use TLS. It does not offer HTTP/2, as Apache does not."""
    with running(tmp_path, Authority(tmp_path / "authority"), tls="private_ca") as fleet:
        assert fleet.names() == {"api1", "api2"}
        _, answer = fleet.ask(headers={"X-Forwarded-Proto": "http"})
        assert {name.lower(): value for name, value in answer["headers"].items()}["x-forwarded-proto"] == "https"
        with contextlib.closing(fleet.connect()) as connection:
            assert isinstance(connection.sock, ssl.SSLSocket)
            assert connection.sock.selected_alpn_protocol() == "http/1.1"
        assert members.put_back(fleet.haproxy, {"api1": fleet.members("api1")}, SECONDS)["put_back"] == []


def test_who_does_not_know_the_name_gets_no_certificate(tmp_path: Path) -> None:
    names = {"server_name": "shop.example.org", "server_aliases": ["*.shop.example.org"]}
    with running(tmp_path, Authority(tmp_path / "authority"), tls="private_ca", **names) as fleet:
        for name in ("shop.example.org", "www.shop.example.org"):
            with contextlib.closing(fleet.connect(name=name)) as connection:
                connection.request("GET", "/", headers={"Host": name})
                assert connection.getresponse().status == 200
        with pytest.raises(ssl.SSLError) as refusal:
            fleet.connect(name="other.example.org")
        assert not isinstance(refusal.value, ssl.SSLCertVerificationError), "a certificate of another name was shown"


def test_an_api_host_with_the_certificate_of_another_one_gets_no_request(tmp_path: Path) -> None:
    with running(tmp_path, Authority(tmp_path / "authority"), tls="private_ca") as fleet:
        impostor = fleet.apis["api2"]
        impostor.stop()
        impostor.pair = fleet.apis["api1"].pair
        impostor.start()
        # Its first reason may be that nobody listened for a moment.
        wait_for(lambda: "SSL" in fleet.last_check("api2"), "HAProxy does not notice the certificate")
        wait_for(lambda: not fleet.state("api2")[0], "api2 is still up")
        impostor.seen.clear()
        assert fleet.names() == {"api1"}
        with pytest.raises(members.MemberError, match=r"app shop on api2: it answers, and .* down \(.*SSL"):
            members.put_back(fleet.haproxy, {"api2": fleet.members("api2")}, 0.3)
        assert impostor.seen == []


def test_a_renewed_certificate_cuts_no_connection(tmp_path: Path) -> None:
    with running(tmp_path, Authority(tmp_path / "authority"), tls="private_ca") as fleet:
        assert fleet.authority is not None
        path = tmp_path / "haproxy.cfg"
        former_text = path.read_text()
        with contextlib.closing(fleet.connect()) as client:
            client.request("GET", "/")
            client.getresponse().read()
            former = serial(client)
            path.write_text(render(fleet.plan, tmp_path, fleet.statistics, files_of(fleet.plan, fleet.authority)))
            assert path.read_text() != former_text, "the configuration does not change with the certificate"
            fleet.process.send_signal(signal.SIGUSR2)
            wait_for(lambda: fleet.shown() not in ("", former), "HAProxy shows the former certificate")
            client.request("GET", "/")
            assert client.getresponse().status == 200


def test_files_of_certificates_are_roots_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each configuration has its own; those of a configuration that HAProxy has left are removed."""
    for name in ("PLAN", "CERTIFICATES"):
        monkeypatch.setattr(configuration, name, tmp_path / name.lower())
    own_process = dataclasses.replace(process.APPS, configuration=tmp_path / "configuration")
    monkeypatch.setattr(configuration, "APPS", own_process)
    # HAProxy checks the files here, and no service runs with them.
    monkeypatch.setattr(process.Process, "runs_with", lambda *_: True)
    authority = Authority(tmp_path / "authority")
    own = plan({"name": "shop", "listen": 8443, "tls": "private_ca"})
    content = template_text(own, 9119)
    first = files_of(own, authority)
    assert configuration.put(content, own, first, dry=True)["changed"]
    folder = configuration.CERTIFICATES
    assert not folder.exists()
    assert configuration.distrusted(authority.certificate.read_text()) == ""
    assert configuration.put(content, own, first, dry=False)["changed"]
    assert not configuration.put(content, own, first, dry=False)["changed"]
    assert folder.stat().st_mode & 0o777 == 0o700
    written = set(folder.iterdir())
    assert {path.name.split("-")[0] for path in written} == {"shop", "port", "authority"}
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert configuration.distrusted(authority.certificate.read_text()) == ""
    other = Authority(tmp_path / "other").certificate.read_text()
    assert "found another certificate" in configuration.distrusted(other)
    assert "found no file" in configuration.distrusted("")
    assert configuration.put(content, own, files_of(own, authority), dry=False)["changed"]
    assert len(set(folder.iterdir())) == len(written)
    assert {path.name.split("-")[0] for path in set(folder.iterdir()) & written} == {"authority"}


def test_a_given_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    certificate, key = map(str, authority.sign("shop", "shop.example.org"))
    _, other = map(str, authority.sign("other", "other.example.org"))

    def given(certificate: str, key: str) -> configuration.File:
        return configuration.File("shop.pem", None, certificate, key, "shop")

    assert given(certificate, key).fault() == ""
    assert "record shop, key tls_key: found /none" in given(certificate, "/none").fault()
    assert "it has to be the certificate's own key" in given(certificate, other).fault()
    with pytest.raises(process.ConfigurationError, match="key tls_certificate: found /none"):
        configuration.placed([given("/none", key)])
    paths, texts = configuration.placed([given(certificate, key)])
    assert texts[paths["shop.pem"]].count("-----BEGIN") == 2


def test_what_haproxy_does_not_know_is_named(fleet: Fleet) -> None:
    with pytest.raises(runtime.RuntimeSocketError, match="set server app-shop/nobody"):
        fleet.haproxy.set_state("app-shop", "nobody", runtime.DRAIN)
    unknown = members.Member("app-shop", "shop", fleet.members("api1")[0].place, "/health")
    with pytest.raises(members.MemberError, match="no server api3 in the backend app-shop"):
        members.put_back(fleet.haproxy, {"api3": [unknown]}, 1)


def test_a_port_that_another_program_holds_is_named() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        (problem,) = configuration.held_ports([("*", port)])
        assert re.fullmatch(rf"port {port}: \S+ \(process \d+\) listens on 127.0.0.1:{port}", problem)
        assert configuration.held_ports([("127.0.0.9", port)]) == []


def test_a_load_balancer_that_is_not_set_up_has_no_members(tmp_path: Path) -> None:
    none = members.plan_of(tmp_path / "none.json")
    assert members.members_of("api1", none) == []
    assert members.hosts_down(runtime.Haproxy(tmp_path / "none.sock"), none) == []


def test_nothing_is_known_of_hosts_while_haproxy_does_not_answer(fleet: Fleet, tmp_path: Path) -> None:
    assert members.hosts_down(runtime.Haproxy(tmp_path / "none.sock"), fleet.plan) == []
