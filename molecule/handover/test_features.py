"""What belongs to a host with generations of Apache beside the handover: limits, memory, upgrades, ports and sites."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import machine
from switch_host import APP, SwitchHost, wait_until

PORT = 8300
CLIENTS = 4
HEAL_SECONDS = 180
"""Until a killed Apache runs again, on a machine that does other things, too."""
HTTP2 = "/etc/apache2/conf-enabled/http2.conf"
HTTP2_TEXT = """\
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
Protocols h2 http/1.1
"""
UNLIMITED = "64g"


def status(server: SwitchHost) -> dict[int, tuple[str, int]]:
    """Return the part and the parent process of each running generation."""
    lines = re.findall(r"(?m)^generation (\d+): (\w+), process (\d+)", server.run("grove-httpd", "status"))
    return {int(number): (role, int(pid)) for number, role, pid in lines}


def parent(server: SwitchHost) -> int:
    """Return the parent process of the generation that runs alone."""
    [(role, pid)] = status(server).values()
    assert role == "live"
    return pid


def reload(server: SwitchHost) -> bool:
    return server.try_run("systemctl", "reload", "apache2").returncode == 0


def start_of_unit(server: SwitchHost) -> str:
    """Return the identity of the unit's last start. A reload leaves it."""
    return server.run("systemctl", "show", "--property=InvocationID", "--value", "apache2").strip()


@contextmanager
def asking(server: SwitchHost, *, may_fail: int = 0) -> Iterator[None]:
    """Ask the application with new connections until the block ends."""
    ended, answers = threading.Event(), Counter[str]()

    def client() -> Counter[str]:
        own = Counter[str]()
        while not ended.is_set():
            connection = http.client.HTTPConnection(server.address, PORT, timeout=60)
            try:
                connection.request("GET", "/")
                own[str(connection.getresponse().status)] += 1
            except (OSError, http.client.HTTPException) as error:
                own[repr(error)] += 1
            finally:
                connection.close()
            time.sleep(0.02)
        return own

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client) for _ in range(CLIENTS)]
        try:
            yield
        finally:
            ended.set()
        for one in clients:
            answers += one.result()
    server.note(f"answers: {dict(answers)}")
    assert answers["200"] > 0
    assert answers.total() - answers["200"] <= may_fail, answers


def serves_again(server: SwitchHost, former: int) -> bool:
    """Return whether the unit is active, and a parent runs that is not the former one."""
    if server.try_run("systemctl", "is-active", "apache2").returncode != 0:
        return False
    pids = {pid for _, pid in status(server).values()}
    return bool(pids) and former not in pids


def test_a_killed_parent_leaves_workers_that_serve_on(server: SwitchHost) -> None:
    """At most the requests that are under way when they are ended are lost, one a client."""
    for _ in range(2):
        before = parent(server)
        with asking(server, may_fail=CLIENTS):
            time.sleep(0.5)
            server.run("kill", "-9", str(before))
            begun = time.monotonic()
            wait_until(lambda pid=before: serves_again(server, pid), HEAL_SECONDS, "Apache runs again")  # type: ignore[misc]
            server.note(f"the unit was active again {time.monotonic() - begun:.2f} s after the kill")
        now = parent(server)
        programs = [one for one in server.processes() if "/var/lib/grove/httpd/" in one.command and one.pid != now]
        assert {one.parent for one in programs if "rotatelogs" not in one.command} == {now}
        assert reload(server)


def test_limits_and_sandbox_of_the_unit_change_by_a_handover(server: SwitchHost) -> None:
    """Only a setting that all processes of the unit share restarts Apache, and the run says so before."""
    record, before, started = server.app(APP), parent(server), start_of_unit(server)
    with asking(server):
        sandbox = {"CapabilityBoundingSet": ["CAP_FSETID"]}
        output = server.play("site.yml", wsgi_apps=[record], httpd_threads_per_child=40, httpd_sandbox=sandbox)
    assert "A handover is not enough" not in output
    now = parent(server)
    assert now != before
    assert start_of_unit(server) == started
    tasks = server.run("systemctl", "show", "--property=TasksMax", "--value", "apache2").strip()
    assert f"TasksMax={tasks}\n" in server.run("cat", "/etc/systemd/system/apache2.service.d/20-grove.conf")
    assert "CapBnd:\t00000000000004fb" in server.run("cat", f"/proc/{now}/status")
    # A message is wrapped in the output.
    output = " ".join(server.play("site.yml", wsgi_apps=[record], httpd_sandbox={"PrivateTmp": False}).split())
    reason = output.index("A handover is not enough for PrivateTmp: all processes of the unit share the folders")
    assert reason < output.index("TASK [grove.wsgi.wsgi_app : Load the written configuration")
    assert start_of_unit(server) != started
    server.play("site.yml", wsgi_apps=[record])


def test_the_status_names_files_of_an_upgrade_until_the_next_handover(server: SwitchHost) -> None:
    remark = f"{server.name}: Apache runs with files that are older than the installed ones (apache2"
    assert "older than the installed ones" not in server.play("playbooks/status.yml")
    server.run("apt-get", "install", "--yes", "--reinstall", "apache2-bin", DEBIAN_FRONTEND="noninteractive")
    output = server.play("playbooks/status.yml")
    assert remark in output
    assert "systemctl reload apache2 hands over" in output
    with asking(server):
        assert reload(server)
    assert "older than the installed ones" not in server.play("playbooks/status.yml")


def test_a_handover_for_which_the_memory_is_not_there_is_refused(server: SwitchHost) -> None:
    """The host gets a limit that leaves less than a second generation takes."""
    figures = r"needs? about (\d+) MB.*?(\d+) MB are available"
    needed, free = map(int, re.findall(figures, server.play("playbooks/capacity.yml"))[0])
    assert needed < free
    before = parent(server)
    used = server.python("""
import pathlib
memory = pathlib.Path("/sys/fs/cgroup/memory")
group = memory if memory.is_dir() else pathlib.Path("/sys/fs/cgroup")
name = "memory.usage_in_bytes" if memory.is_dir() else "memory.current"
print(int((group / name).read_text()) >> 20)
""")
    machine.podman("update", f"--memory={used + needed // 2}m", server.container)
    try:
        with asking(server):
            assert not reload(server)
        refusal = server.run("cat", "/run/grove/httpd-handover-refused")
        needed, free = map(int, re.findall(figures, refusal)[0])
        assert free < needed
        assert "a handover would be refused" in server.play("playbooks/capacity.yml")
    finally:
        machine.podman("update", f"--memory={UNLIMITED}", server.container)
    assert parent(server) == before
    assert reload(server)


def test_ports_of_the_doors_are_checked_before_anything_is_touched(server: SwitchHost) -> None:
    record, before = server.app(APP), status(server)
    other = {**record, "name": "other", "listen": 9078}
    succeeded, output = server.try_play("site.yml", wsgi_apps=[record, other])
    assert not succeeded
    assert "record other, key listen: found port 9078; httpd_handover_doors uses that port" in output
    program = "import socket, time; s = socket.create_server(('127.0.0.1', 9077)); time.sleep(600)"
    doors = ["127.0.0.1:9077", "127.0.0.1:9079"]
    with subprocess.Popen([*machine.enter(server.container), "timeout", "600", "python3", "-c", program]) as holder:
        wait_until(lambda: "127.0.0.1:9077" in server.listeners(), 60, "the port is held")
        succeeded, output = server.try_play("site.yml", wsgi_apps=[record], httpd_handover_doors=doors)
        server.run("pkill", "--full", "127.0.0.1', 9077")
        holder.wait(60)
    assert not succeeded
    assert re.search(r"key httpd_handover_doors: found port 9077, which python3 \(process \d+\) holds", output)
    assert status(server) == before


SHARED = """
import os, pathlib, re
def shared(pid):
    # Files that a process writes, or shares memory with: device and inode, and the name.
    found = {}
    for handle in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        name = os.readlink(handle)
        flags = int(re.search(r"flags:\\s+(\\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/{handle.name}").read_text())[1], 8)
        if flags & 3 and name.startswith("/") and not name.startswith("/dev/"):
            status = os.stat(handle)
            found[f"{status.st_dev} {status.st_ino}"] = name
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        if fields[1][1] == "w" and fields[1][3] == "s":
            found[f"{fields[3]} {fields[4]}"] = fields[5]
    return found
def sockets(pid):
    links = [os.readlink(one) for one in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:")}
    rows = [line.split() for line in pathlib.Path("/proc/net/unix").read_text().splitlines()[1:]]
    return {row[7]: "" for row in rows if row[6] in inodes and len(row) > 7}
print(json.dumps([[shared(pid), sockets(pid)] for pid in arguments[0]]))
"""


WORKERS = """
import http.client, re
name, _, credential = open("/var/lib/grove/door.header").read().strip().partition(": ")
found = set()
for _ in range(20):
    connection = http.client.HTTPConnection("127.0.0.1", 9080, timeout=60)
    connection.request("GET", "/", headers={"Host": "status.door", name: credential})
    found |= {int(pid) for pid in re.findall(r"<td>\\d+</td><td>(\\d+)</td>", connection.getresponse().read().decode())}
    connection.close()
# A place without a process has the number 0.
found -= {0}
assert found
print(json.dumps(sorted(found)))
"""


def test_two_generations_have_nothing_in_common_but_their_logs(server: SwitchHost) -> None:
    """Their PID files, mutexes, sockets, and memory are their own, that of the TLS session cache among it."""
    record = server.app(APP)
    secure = {**record, "name": "secure", "listen": 8443, "tls": "private_ca", "server_name": "secure.test"}
    server.play("site.yml", wsgi_apps=[record, secure])
    before = parent(server)
    for step in ("prepare", "begin"):
        server.run("grove-httpd", step)
    try:
        both = status(server)
        assert [role for role, _ in both.values()] == ["live", "starting"]
        (one, ones), (other, others) = server.python(SHARED, [pid for _, pid in both.values()])
        server.note(f"a generation writes {sorted(one.values())}, and has the sockets {sorted(ones)}")
        assert "/dev/zero (deleted)" in one.values()
        assert ones
        assert {name for key, name in one.items() if key in other} == set()
        assert set(ones) & set(others) == set()
        # The usual PID file is that of the live one, and so is the door that everybody asks.
        assert int(server.run("cat", "/run/apache2/apache2.pid")) == before
        assert {int(server.run("cat", f"/run/apache2/generation-{number}.pid")) for number in both} == {
            pid for _, pid in both.values()
        }
        workers = {one.pid for one in server.processes() if one.parent == before}
        assert set(server.python(WORKERS)) <= workers
    finally:
        server.run("grove-httpd", "settle")
    assert parent(server) == before
    server.play("site.yml", wsgi_apps=[record])


ASK = """
import collections, http.client, socket, ssl, threading, pathlib, time
places, stop = arguments
counts = {place["label"]: collections.Counter() for place in places}
certificates = {place["label"]: collections.Counter() for place in places}
def client(place, kept):
    connection = None
    while not pathlib.Path(stop).exists():
        try:
            if connection is None:
                connection = http.client.HTTPConnection(place["address"], place["port"], timeout=60)
                connection.connect()
                if place["tls"]:
                    context = ssl._create_unverified_context()
                    connection.sock = context.wrap_socket(connection.sock, server_hostname=place["host"])
                    der = connection.sock.getpeercert(binary_form=True)
                    certificates[place["label"]][ssl.DER_cert_to_PEM_cert(der)[-80:]] += 1
            connection.request("GET", place["path"], headers={"Host": place["host"]})
            answer = connection.getresponse()
            answer.read()
            counts[place["label"]][f"{answer.status} {answer.getheader('X-Site')}"] += 1
            if not kept or answer.getheader("Connection") == "close":
                connection.close()
                connection = None
        except (OSError, http.client.HTTPException) as error:
            counts[place["label"]][repr(error)] += 1
            connection = None
        time.sleep(0.05)
threads = [threading.Thread(target=client, args=(place, kept)) for place in places for kept in (True, False)]
for thread in threads:
    thread.start()
print("started", flush=True)
for thread in threads:
    thread.join()
print(json.dumps([counts, certificates]))
"""


def sites(server: SwitchHost) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return records of every kind of site, each with the place at which a client asks it."""
    usual = {**server.app(APP), "processes": 1, "threads": 8}
    kinds: list[tuple[dict[str, Any], str]] = [
        ({"name": "ipv6", "listen": "[::1]:8401"}, "::1"),
        ({"name": "one", "listen": "127.0.0.2:8402"}, "127.0.0.2"),
        ({"name": "two", "listen": "127.0.0.3:8402"}, "127.0.0.3"),
        ({"name": "low", "listen": 80, "server_name": "low.test"}, "127.0.0.1"),
        ({"name": "named", "listen": 80, "server_name": "named.test"}, "127.0.0.1"),
        ({"name": "below", "listen": 80, "server_name": "named.test", "path": "/below"}, "127.0.0.1"),
        ({"name": "first", "listen": 8443, "server_name": "first.test", "tls": "private_ca"}, "127.0.0.1"),
        ({"name": "second", "listen": 8443, "server_name": "second.test", "tls": "private_ca"}, "127.0.0.1"),
    ]
    found = []
    for keys, address in kinds:
        place = {
            "label": keys["name"],
            "address": address,
            "port": int(str(keys["listen"]).rpartition(":")[2]),
            "path": f"{keys.get('path', '')}/",
            "host": keys.get("server_name", "localhost"),
            "tls": "tls" in keys,
        }
        found.append(({**usual, **keys, "directives": [f"Header always set X-Site {keys['name']}"]}, place))
    return found


def http2_client(address: str) -> subprocess.CompletedProcess[str]:
    """Send 300 requests, 20 a second, over one connection where the server keeps it."""
    curl = shutil.which("curl")
    assert curl is not None, "this check needs curl"
    shown = ["--output", "/dev/null", "--write-out", "%{http_code} %{http_version}\\n", "--rate", "20/s"]
    place = ["--http2", "--insecure", "--resolve", f"first.test:8443:{address}", "https://first.test:8443/?[1-300]"]
    return subprocess.run(
        [curl, "--silent", "--show-error", *shown, *place], capture_output=True, text=True, check=False
    )


def ask_every_site(
    server: SwitchHost, places: list[dict[str, Any]], apps: list[dict[str, Any]]
) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]], Counter[str]]:
    """Hand over twice while clients ask; return the answers and the certificates by site, and those with HTTP/2."""
    stop = "/run/stop-asking"
    server.play("site.yml", wsgi_apps=apps)
    server.run("rm", "-f", stop)
    program = f"import json\narguments = json.loads({json.dumps([places, stop])!r})\n{ASK}"
    with subprocess.Popen(
        [*machine.enter(server.container), "python3", "-c", program], stdout=subprocess.PIPE, text=True
    ) as clients:
        assert clients.stdout is not None
        try:
            assert clients.stdout.readline() == "started\n"
            with ThreadPoolExecutor(CLIENTS) as pool:
                with_http2 = [pool.submit(http2_client, server.address) for _ in range(CLIENTS)]
                time.sleep(1)
                for _ in range(2):
                    assert reload(server)
        finally:
            server.run("touch", stop)
            output = clients.stdout.read()
    counts, certificates = json.loads(output)
    results = [client.result() for client in with_http2]
    return counts, certificates, Counter(line for one in results for line in (one.stdout + one.stderr).splitlines())


def test_every_kind_of_site_is_handed_over(server: SwitchHost) -> None:
    """IPv6, addresses on one port, ports below 1024, sites by name and by path, several certificates, and HTTP/2."""
    every = sites(server)
    server.run("sh", "-c", f"cat >{HTTP2}", stdin=HTTP2_TEXT)
    try:
        counts, certificates, with_http2 = ask_every_site(
            server, [place for _, place in every], [server.app(APP), *(one for one, _ in every)]
        )
    finally:
        server.run("rm", "-f", HTTP2)
    server.note(f"kinds of sites: {counts}")
    for label, answers in counts.items():
        assert set(answers) == {f"200 {label}"}, f"{label}: {answers}"
    shown = {label: set(counted) for label, counted in certificates.items() if counted}
    assert [len(one) for one in shown.values()] == [1, 1]
    assert shown["first"] != shown["second"]
    server.note(f"HTTP/2: {dict(with_http2)}")
    assert with_http2 == {"200 2": 300 * CLIENTS}
    server.play("site.yml", wsgi_apps=[server.app(APP)])
