"""The keys of keystone on several API hosts: whether all have the same ones, and tokens that are asked for meanwhile.

The inventory has to set ``KEYSTONE_CONFIG``: with keystone's caches, a host would accept a token that it cannot read.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import machine
from killed import kill_at
from served import Host

REPOSITORY = Path(__file__).resolve().parents[2]
STATE = "/var/lib/keystone"
FOLDERS = ("fernet-keys", "credential-keys")
KEYSTONE_CONFIG = {"token": {"caching": False, "cache_on_issue": False}}
PORT = 5000

READ = """
import hashlib, pathlib, pwd
found = {}
for name in arguments[1:]:
    folder = pathlib.Path(arguments[0], name)
    for path in [folder, *sorted(folder.glob("*"))] if folder.exists() else []:
        status = path.stat()
        text = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = [oct(status.st_mode & 0o7777), pwd.getpwuid(status.st_uid).pw_name, text]
print(json.dumps(found))
"""
CLIENTS = """
import contextlib, http.client, os, sys, threading, time
hosts, names, port, account, seconds_of_a_token = arguments
stop, lock = threading.Event(), threading.Lock()
counts, failures = {"made": 0, "accepted": 0}, []
user = {"name": account["username"], "password": account["password"], "domain": {"name": "Default"}}
identity = {"methods": ["password"], "password": {"user": user}}
login = {"auth": {"identity": identity, "scope": {"project": {"name": "admin", "domain": {"name": "Default"}}}}}

def ask(host, method, headers, body=None):
    headers = {"Content-Type": "application/json", **headers}
    with contextlib.closing(http.client.HTTPConnection(hosts[host], port, timeout=60)) as connection:
        try:
            connection.request(method, "/v3/auth/tokens", body and json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers["X-Subject-Token"]
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__, None

def count(kind, good, failure):
    with lock:
        counts[kind] += good
        if not good:
            failures.append(failure)

def work(issuer):
    kept = []
    while not stop.is_set():
        status, token = ask(issuer, "POST", {}, login)
        now = time.time()
        count("made", status == 201, f"{issuer} makes no token: {status}")
        kept = [one for one in kept if one[0] > now - seconds_of_a_token] + ([(now, token)] if token else [])
        for made, token in {kept[0], kept[len(kept) // 2], kept[-1]} if kept else ():
            for name in names:
                status, _ = ask(name, "GET", {"X-Auth-Token": token, "X-Subject-Token": token})
                age = f"{time.time() - made:.1f} s old"
                count("accepted", status == 200, f"{name} answers {status} to a token of {issuer}, {age}")

threads = [threading.Thread(target=work, args=(name,)) for name in names]
for thread in threads:
    thread.start()
print("ready", file=sys.stderr, flush=True)
while not os.path.exists("/run/keystone-clients-stop"):
    time.sleep(0.1)
stop.set()
for thread in threads:
    thread.join()
print(json.dumps({**counts, "failures": failures[:20], "failed": len(failures)}))
"""
"""Runs on a load balancer, since API hosts answer nobody else. Each host makes tokens, and every host has to accept
each: the newest one, one from the middle, and the oldest one that is kept."""


@dataclass(frozen=True)
class Keys:
    """The files of the keys on a host, by path: mode, owner and SHA-256."""

    files: dict[str, list[str]]

    def numbers(self, folder: str) -> list[int]:
        """Return the numbers of the keys in a folder."""
        return sorted(
            int(path.rpartition("/")[2]) for path, one in self.files.items() if f"/{folder}/" in path and one[2]
        )


def keys_of(host: Host) -> Keys:
    """Return the keys of a host."""
    return Keys(host.python(READ, STATE, *FOLDERS))


def assert_same_keys(hosts: Sequence[Host]) -> Keys:
    """All hosts have the same keys, which belong to keystone alone; return them."""
    first = keys_of(hosts[0])
    for name in FOLDERS:
        assert len(first.numbers(name)) >= 2
    for path, (mode, owner, text) in first.files.items():
        assert (mode, owner) == ("0o600" if text else "0o700", "keystone"), path
    for host in hosts[1:]:
        assert keys_of(host) == first, host.name
    return first


@dataclass
class Tokens:
    """What clients did: how many tokens were made, how often they were accepted, and what failed."""

    made: int = 0
    accepted: int = 0
    failed: int = 0
    failures: Sequence[str] = ()


@contextmanager
def clients(balancer: Host, hosts: Sequence[Host], account: dict[str, str], seconds: float = 600) -> Iterator[Tokens]:
    """Let clients ask each host for tokens, and every host whether it accepts them, during the block.

    account: ``username`` and ``password`` of the administrator. seconds: for how long clients keep a token; keystone
    accepts it until its key has gone, with the second rotation, or it has expired. No request may fail.
    """
    balancer.run("rm", "-f", "/run/keystone-clients-stop")
    arguments = [{host.name: host.address for host in hosts}, [host.name for host in hosts], PORT, account, seconds]
    program = f"import json\narguments = json.loads({json.dumps(arguments)!r})\n{CLIENTS}"
    command = [*machine.enter(balancer.container), "python3", "-c", program]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    assert process.stderr.readline() == "ready\n"
    tokens = Tokens()
    try:
        yield tokens
    finally:
        balancer.run("touch", "/run/keystone-clients-stop")
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    for name, value in json.loads(output).items():
        setattr(tokens, name, value)
    assert tokens.made > len(hosts), tokens
    assert tokens.failed == 0, tokens


def rotation(inventory: Path, *options: str) -> list[str]:
    """Return the command of a rotation of the keys."""
    tool = str(Path(sys.executable).parent / "ansible-playbook")
    return [tool, "-i", str(inventory), "playbooks/rotate_fernet.yml", *options]


def rotate(inventory: Path, *options: str) -> str:
    """Rotate the keys, which has to succeed; return the output."""
    done = subprocess.run(rotation(inventory, *options), cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def rotate_and_kill(inventory: Path, task: str, seconds: float = 0.0) -> bool:
    """Kill a rotation some seconds after it has begun a task; return whether it was still running."""
    return kill_at(rotation(inventory), task, seconds)
