"""What applications on a host can reach of each other, of Apache's logs, and of root's doors."""

from __future__ import annotations

import re

import pytest
from open_files import OpenFiles
from served import BASE, COLOURS, Host, wait_for

NAMES = ["test1", "test2", "test3"]


def test_every_descriptor_of_a_daemon_process_is_its_own(host: Host) -> None:
    """Each is the app's own error log, its group's socket or lock, or made by the process itself."""
    for record in host.apps:
        name = record["name"]
        folders = tuple(f"{place}/{name}/" for place in (BASE, "/var/lib", "/var/log"))
        uid = int(host.run("id", "-u", name))
        own = [pid for colour in COLOURS for pid in host.daemons(name, colour)]
        # A process that answers has started, and has loaded its release, also in an idle slot.
        path = record.get("path", "") + record.get("health", "/")
        answered: set[int] = set()

        def everyone(name: str = name, path: str = path, own: list[int] = own, answered: set[int] = answered) -> str:
            for colour in COLOURS:
                answers = host.ask_door(name, colour, path, times=24)
                answered |= {int(answer.headers["x-grove-process"]) for answer in answers}
            return "all" if answered >= set(own) else ""

        assert wait_for(everyone, 60), (answered, own)
        pids = host.controller_pids()
        files = OpenFiles.read(pids.values())
        assert f"{name}-error.log" in files.log_pipes()
        left = {pid: files.unexplained(pids[pid], uid, f"{name}-error.log", folders) for pid in own}
        assert left == {pid: [] for pid in own}


AS_ACCOUNT = """
import glob, http.client, os, pwd, socket
account, port, paths = arguments
entry = pwd.getpwnam(account)
os.initgroups(account, entry.pw_gid)
os.setgid(entry.pw_gid)
os.setuid(entry.pw_uid)
def ask(name, path):
    connection = http.client.HTTPConnection("127.0.0.1", 9080, timeout=20)
    connection.request("GET", path, headers={"Host": name, "X-Grove-Door": "0" * 64})
    return connection.getresponse().status
def connect(path):
    with socket.socket(socket.AF_UNIX) as own:
        try:
            own.connect(path)
        except PermissionError:
            return "refused"
        return "connected"
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
connection.request("GET", "/server-status?auto")
status = connection.getresponse().read().decode()
sockets = {path: connect(path) for path in glob.glob("/run/apache2/wsgi.*.sock")}
print(json.dumps([{name: ask(name, path) for name, path in paths.items()}, sockets, status]))
"""


@pytest.mark.parametrize("name", NAMES)
def test_an_account_reaches_no_door_and_no_process_of_others(host: Host, name: str) -> None:
    paths = {each: host.app(each).get("path", "/") for each in NAMES}
    doors = {f"{colour}.{each}.door": path for colour in COLOURS for each, path in paths.items()}
    doors |= {"status.door": "/", "unknown.door": "/"}
    answers, sockets, status = host.python(AS_ACCOUNT, name, host.app(name)["listen"], doors)
    assert answers == dict.fromkeys(doors, 403)
    assert len(sockets) == 2 * len(NAMES)
    assert set(sockets.values()) == {"refused"}
    assert "BusyWorkers" not in status


def test_the_status_of_the_server_is_for_root(host: Host) -> None:
    program = """
import http.client
header, _, credential = open("/var/lib/grove/status.header").read().strip().partition(": ")
connection = http.client.HTTPConnection("127.0.0.1", 9080, timeout=20)
connection.request("GET", "/?auto", headers={"Host": "status.door", header: credential})
print(json.dumps(connection.getresponse().read().decode()))
"""
    assert "BusyWorkers: " in host.python(program)


DISTRIBUTION = ["/server-status", "/server-info", "/balancer-manager", "/icons/text.gif", "/cgi-bin/", "/manual/"]


@pytest.mark.parametrize("path", DISTRIBUTION)
def test_the_distributions_handlers_answer_on_no_site(host: Host, path: str) -> None:
    """test1 gets these paths like any other, and says so in its log."""
    answer = host.ask("test1", path)
    assert answer.status == 404
    host.log_with("test1-output", f"GET {re.escape(path)}")
