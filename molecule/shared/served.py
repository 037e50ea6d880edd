"""A test host as its clients and its administrator see it."""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import machine

BASE = Path("/srv/wsgi")
COLOURS = ("blue", "green")


@dataclass(frozen=True)
class Answer:
    """Status, headers by their names in lower case, the body as text, and the values of the headers Set-Cookie."""

    status: int
    headers: dict[str, str]
    text: str
    cookies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Process:
    """One process of a host: its id, its parent's, its account and its command line."""

    pid: int
    parent: int
    account: str
    command: str


@dataclass(frozen=True)
class Host:
    """A running test host; ``apps`` are its records in the inventory."""

    name: str
    container: str
    apps: list[dict[str, Any]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return machine.address(self.container)

    def app(self, name: str) -> dict[str, Any]:
        """Return the record of that name."""
        return next(record for record in self.apps if record["name"] == name)

    def try_run(self, *command: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the host as root."""
        entered = machine.enter(self.container, **environment)
        return subprocess.run([*entered, *command], input=stdin, capture_output=True, text=True, check=False)

    def run(self, *command: str, stdin: str = "", **environment: str) -> str:
        """Run a command on the host as root and return what it prints; fail with its errors."""
        completed = self.try_run(*command, stdin=stdin, **environment)
        assert completed.returncode == 0, f"{' '.join(command)}: exit status {completed.returncode}\n{completed.stderr}"
        return completed.stdout

    def mount(self, *arguments: str) -> None:
        """Mount a file system on the host, from outside: the container may not mount."""
        self._enter("mount", *arguments)

    def unmount(self, *folders: str) -> None:
        """Unmount folders of the host, at once or as soon as nobody uses them."""
        self._enter("umount", "--lazy", *folders)

    @contextmanager
    def small_disk(self, folder: str, megabytes: int = 64) -> Iterator[None]:
        """Let a folder be on a disk of its own during the block. What changes there is gone afterwards."""
        small = "/mnt/small"
        self.run("mkdir", "-p", small)
        self.mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=0751", "small", small)
        self.run("cp", "-a", f"{folder}/.", small)
        self.run("chown", "--reference", folder, small)
        self.mount("--bind", small, folder)
        try:
            yield
        finally:
            self.unmount(folder, small)

    @contextmanager
    def full_disk(self, folder: str) -> Iterator[None]:
        """Fill the disk of a folder, up to the last 128 kB, during the block."""
        file = f"{folder}/filler"
        self.run("sh", "-c", f"dd if=/dev/zero of={file} bs=64k 2>/dev/null; truncate -s -128k {file}")
        try:
            yield
        finally:
            self.run("rm", file)

    def _enter(self, *command: str) -> None:
        pid = machine.podman("inspect", "--format", "{{.State.Pid}}", self.container).strip()
        enter = ["nsenter", "--target", pid, "--mount", "--pid", "--root", "--wd"]
        completed = subprocess.run([*enter, *command], capture_output=True, text=True, check=False)
        assert completed.returncode == 0, f"{' '.join(command)}: {completed.stderr.strip()}"

    def python(self, program: str, *arguments: object) -> Any:
        """Run a Python program with its arguments in a variable ``arguments``; return the JSON that it prints."""
        prologue = f"import json\narguments = json.loads({json.dumps(arguments)!r})\n"
        return json.loads(self.run("python3", "-", stdin=prologue + program))

    def ask(
        self,
        place: int | str,
        path: str,
        *,
        method: str = "GET",
        form: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        authority: str | None = None,
        address: str | None = None,
    ) -> Answer:
        """Send a request from the controller and return the answer; redirects are not followed.

        place: a port, or the name of an app, which stands for its port. body: pieces are sent as chunks. authority: a
        PEM file; TLS is spoken, and the server's certificate has to be signed by that authority for the name in the
        Host header. address: the host's, if the caller knows it, which saves a call of podman.
        """
        port = int(str(self.app(place)["listen"]).rpartition(":")[2]) if isinstance(place, str) else place
        sent_headers = dict(headers or {})
        if form is not None:
            body = urlencode(form).encode()
            sent_headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(address or self.address, port, timeout=60)
        try:
            if authority is not None:
                connection.connect()
                context = ssl.create_default_context(cafile=authority)
                name = sent_headers["Host"].split(":")[0]
                connection.sock = context.wrap_socket(connection.sock, server_hostname=name)
            connection.request(method, path, body=body, headers=sent_headers)
            response = connection.getresponse()
            text = response.read().decode()
            headers_received = {key.lower(): value for key, value in response.getheaders()}
            return Answer(response.status, headers_received, text, tuple(response.msg.get_all("Set-Cookie", [])))
        finally:
            connection.close()

    def ask_door(self, app: str, colour: str, path: str, times: int = 1) -> list[Answer]:
        """Send requests through the door of a slot, from the host itself, at the same time; return the answers.

        They present the credential of root.
        """
        program = """
import http.client
from concurrent.futures import ThreadPoolExecutor
name, path, times = arguments
header, _, credential = open("/var/lib/grove/door.header").read().strip().partition(": ")
def ask(_):
    connection = http.client.HTTPConnection("127.0.0.1", 9080, timeout=60)
    connection.request("GET", path, headers={"Host": name, header: credential})
    answer = connection.getresponse()
    text = answer.read().decode()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, text
with ThreadPoolExecutor(times) as pool:
    print(json.dumps(list(pool.map(ask, range(times)))))
"""
        return [Answer(*answer) for answer in self.python(program, f"{colour}.{app}.door", path, times)]

    def processes(self) -> list[Process]:
        """Return the process table."""
        rows = (line.split(None, 3) for line in self.run("ps", "-eo", "pid=,ppid=,user:40=,args=").splitlines())
        return [Process(int(pid), int(parent), account, command) for pid, parent, account, command in rows]

    def daemons(self, app: str, colour: str) -> list[int]:
        """Return the ids of the daemon processes of a slot, which are known by their titles."""
        title = f"{colour[0]}-{app}"
        return [process.pid for process in self.processes() if process.command.split()[0] == title]

    def memory_map(self, pid: int) -> str:
        """Return the memory map of a process of the host, from the controller's /proc."""
        return self._proc(pid, "maps").read_text()

    def environment(self, pid: int) -> dict[str, str]:
        """Return the environment that a process of the host was started with, from the controller's /proc."""
        text = self._proc(pid, "environ").read_text()
        return dict(item.split("=", 1) for item in text.split("\0") if "=" in item)

    def controller_pids(self) -> dict[int, int]:
        """Return the ids that the host's processes have on the controller, by their ids on the host."""
        return machine.pids(self.container)

    def _proc(self, pid: int, name: str) -> Path:
        return Path("/proc", str(self.controller_pids()[pid]), name)

    def listeners(self) -> set[str]:
        """Return the listening TCP sockets, as ADDRESS:PORT."""
        return {line.split()[3] for line in self.run("ss", "-ltnH").splitlines()}

    def live(self, app: str) -> tuple[str, str]:
        """Return the live slot and the release in it."""
        folder = BASE / app
        colour = self.run("cat", f"{folder}/slot.map").strip().rpartition("-")[2]
        return colour, os.path.basename(self.run("readlink", f"{folder}/slots/{colour}").strip())

    def log(self, name: str) -> str:
        """Return one of Apache's logs, or, by the name APP-output, an application's own log."""
        app, _, kind = name.rpartition("-")
        return self.run("cat", f"/var/log/{app}/output.log" if kind == "output" else f"/var/log/apache2/{name}.log")

    def log_with(self, name: str, *patterns: str, seconds: float = 60) -> str:
        """Return a log as soon as every pattern is in it; fail when that takes too long."""
        missing = list(patterns)

        def complete() -> str:
            text = self.log(name)
            missing[:] = [pattern for pattern in patterns if not re.search(pattern, text)]
            return "" if missing else text or " "

        text = wait_for(complete, seconds)
        assert not missing, f"no {missing} in the log {name}, which ends with:\n{self.log(name)[-1500:]}"
        return text


def wait_for(attempt: Callable[[], str], seconds: float = 60) -> str:
    """Call ``attempt`` until it returns a text that is not empty, or the time is up; return its last result."""
    end = time.monotonic() + seconds
    while not (result := attempt()) and time.monotonic() < end:
        time.sleep(0.1)
    return result
