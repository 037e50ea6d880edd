"""The setup of the running server: virtual hosts, processes, accounts, sockets and logs."""

from __future__ import annotations

import re

import pytest
from served import BASE, COLOURS, Host, wait_for

NAMES = ["test1", "test2", "test3"]


def test_virtual_hosts(host: Host) -> None:
    """Each app has one file, with its VirtualHost and its two doors. The only other site is the server's status."""
    virtual_hosts = host.run("apache2ctl", "-S")
    sites = re.findall(
        r"^(?: +port 9080 namevhost|\*:\d+) +(\S+) \(/etc/apache2/sites-enabled/(\S+):\d+\)", virtual_hosts, re.M
    )
    expected = {(f"{colour}.{name}.door", f"wsgi-{name}.conf") for name in NAMES for colour in COLOURS}
    expected.add(("status.door", "grove-status.conf"))
    assert set(sites) == expected | {(host.name, f"wsgi-{name}.conf") for name in NAMES}
    assert re.findall(r"^(\S+):\d+ +(?:is a|web)", virtual_hosts, re.M) == ["127.0.0.1", "*", "*", "*"]


def test_sockets(host: Host) -> None:
    """Apache listens on the ports of the inventory, and for the doors on loopback, where clients cannot reach them."""
    # Some scenarios have metrics, whose ports shared/metrics asks, or a door of Apache's own for handovers.
    metrics, handovers = {"127.0.0.1:9117", "127.0.0.1:9118"}, {"127.0.0.1:9078", "127.0.0.1:9079"}
    assert host.listeners() - metrics - handovers == {"*:8080", "*:8081", "*:8082", "127.0.0.1:9080"}
    with pytest.raises(ConnectionRefusedError):
        host.ask(9080, "/")


def test_daemon_processes(host: Host) -> None:
    """Each slot has as many processes as the record sets, with the app's account and a umask for its group."""
    owners = {process.pid: process.account for process in host.processes()}
    cores = int(host.run("nproc"))
    for record in host.apps:
        for colour in COLOURS:
            daemons = host.daemons(record["name"], colour)
            assert len(daemons) == record.get("processes", max(2, cores))
            assert {owners[pid] for pid in daemons} == {record["name"]}
            status = host.run("cat", *(f"/proc/{pid}/status" for pid in daemons))
            assert set(re.findall(r"^Umask:\s+(\d+)", status, re.M)) == {"0027"}
            assert len(set(re.findall(r"^Groups:\s+(.*?)\s*$", status, re.M))) == 1


def test_no_python_outside_daemon_processes(host: Host) -> None:
    """An interpreter that runs has extension modules mapped. Apache's own processes have none."""
    processes = host.processes()
    own = [process.pid for process in processes if process.account == "www-data"]
    assert own
    for pid in own:
        assert "lib-dynload" not in host.memory_map(pid)
    assert "lib-dynload" in host.memory_map(host.daemons("test1", "blue")[0])


ATTEMPT = """
import os, pwd
account, readable, writable = arguments
entry = pwd.getpwnam(account)
os.initgroups(account, entry.pw_gid)
os.setgid(entry.pw_gid)
os.setuid(entry.pw_uid)
def attempt(act, path):
    try:
        act(path)
    except PermissionError:
        return False
    return True
def read(path):
    os.listdir(path) if os.path.isdir(path) else open(path).close()
def write(path):
    if path.endswith("/"):
        open(path + "probe", "w").close()
        os.unlink(path + "probe")
    else:
        open(path, "a").close()
done = {path: attempt(read, path) for path in readable}
done.update({"write " + path: attempt(write, path) for path in writable})
print(json.dumps(done))
"""


@pytest.mark.parametrize("name", NAMES)
def test_accounts_are_apart(host: Host, name: str) -> None:
    """An app's account can read its own release and write its own state and logs, and nothing else."""
    release = ["etc", "venv", "src", "runtime", "app.wsgi", "RELEASE.json", "etc/config.py"]
    own = [f"{BASE}/{name}/slots/blue/{part}" for part in release]
    others = [f"{BASE}/{other}/slots/blue/{part}" for other in NAMES if other != name for part in release]
    others += [f"{place}/{other}" for other in NAMES if other != name for place in ("/var/lib", "/var/log")]
    secret = ["/var/log/apache2", "/etc/shadow", f"{BASE}/{name}/.lock"]
    secret += [f"/var/lib/grove/{file}" for file in ("door.header", "status.header")]
    state = [f"/var/lib/{name}/", f"/var/log/{name}/"]
    fixed = [f"{BASE}/{name}/slots/blue/{part}" for part in ("", "etc/", "venv/", "src/", "app.wsgi", "RELEASE.json")]
    fixed += [f"{BASE}/{name}/{part}" for part in ("", "releases/", "slots/", "slot.map", "slot.wsgi")]
    attempts = host.python(ATTEMPT, name, own + others + secret, state + fixed)
    allowed = {what for what, worked in attempts.items() if worked}
    assert allowed == {*own, *(f"write {path}" for path in state)}


def test_releases_belong_to_root(host: Host) -> None:
    """Only root can change a file of a release. Other accounts can read only the files that Apache itself serves."""
    writable = ["(", "-not", "-user", "root", "-o", "-perm", "/022", ")", "-not", "-type", "l"]
    for name in NAMES:
        assert host.run("find", f"{BASE}/{name}/", *writable) == ""
        release = f"{BASE}/{name}/releases/{host.live(name)[1]}"
        assert host.run("find", release, "-maxdepth", "1", "-perm", "/007", "-not", "-type", "l").split() == [
            release,
            f"{release}/static",
        ]


def test_logs(host: Host) -> None:
    """An app has an access and an error log of its own, which begin with the name of the day."""
    for record in host.apps:
        name, path = record["name"], record.get("path", "") + "/logged"
        host.ask(name, path)
        line = rf'"request":"GET {path} HTTP/1.1",.*"ms":\d+,.*"app":"{name}","slot":"(blue|green)"'
        host.log_with(f"{name}-access", line)
        others = [other for other in NAMES if other != name]
        assert not [other for other in others if f'"app":"{name}"' in host.log(f"{other}-access")]
        kinds = {line.rpartition("/")[2] for line in host.run("ls", "/var/log/apache2").splitlines()}
        assert {f"{name}-access.log", f"{name}-error.log"} <= kinds
        assert [kind for kind in kinds if re.fullmatch(rf"{name}-access\.log-\d{{8}}", kind)]


def test_logs_are_rotated_without_a_signal(host: Host) -> None:
    """The running rotatelogs' own command line, with days of one second: it begins a file and prunes the old ones."""
    command = next(
        p.command.split() for p in host.processes() if "rotatelogs" in p.command and "test1-access" in p.command
    )
    assert command[-1] == "86400"
    folder = "/tmp/rotation"
    words = [word.replace("/var/log/apache2", folder) for word in command]
    words[-2:] = [f"{folder}/test1-access.log-%Y%m%d%H%M%S", "1"]
    old = ["test1-access.log-20200101", "test1-access.log-20200102", "test1-error.log-20200101", "kept.txt"]
    young = "test1-access.log-20200103"
    host.run("mkdir", "-p", folder)
    host.run("touch", "-d", "2020-01-01", *(f"{folder}/{name}" for name in old))
    host.run("touch", "-d", "13 days ago", f"{folder}/{young}")
    # A line that comes while rotatelogs has not read the one before would go into the same file.
    read = f"for i in $(seq 600); do ! grep -qsx one {folder}/test1-access.log || break; sleep 0.1; done"
    host.run("sh", "-c", f"(echo one; {read}; sleep 1.2; echo two) | {' '.join(words)}")

    def pruned() -> str:
        """Return what remains, as soon as the program that rotatelogs starts, and does not wait for, has pruned."""
        remaining = host.run("ls", folder)
        return "" if re.search(r"access\.log-2020010[12]", remaining) else remaining

    remaining = set(wait_for(pruned).split())
    assert remaining >= {young, "test1-error.log-20200101", "kept.txt", "test1-access.log"}
    assert len([name for name in remaining if re.fullmatch(r"test1-access\.log-\d{14}", name)]) == 2
    assert host.run("cat", f"{folder}/test1-access.log") == "two\n"
    # The program may still prune.
    host.run("rm", "-rf", folder)
    logrotate = host.run("cat", "/etc/logrotate.d/apache2")
    assert [line for line in logrotate.splitlines() if line.strip() and not line.startswith("#")] == []
