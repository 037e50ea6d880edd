"""A host whose releases are replaced and broken while clients use it: what can be done to it, and what is expected."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
from load import releases, summary
from load.run_folder import RunFolder

REPOSITORY = Path(__file__).parents[2]
SLOWEST_FAST = 0.5
"""Seconds that the slowest fast request may take; on a machine that is busy with other things it is only reported."""
SLOWEST_FAST_BUSY = 10.0
"""Seconds beyond which it is a failure on any machine."""
START_TIMEOUT = 20
SETTINGS = {
    "processes": 2,
    "memory_limit": 256,
    "start_timeout": START_TIMEOUT,
    "request_timeout": 12,
}
"""The same for all records: others would be another configuration of Apache, and a reload."""
LOAD = ("--seconds", "3000", "--pause", "0.1", "--slow", "4", "--slow-seconds", "1", "8", "--timeout", "60")
"""Options of the load client."""


class FailureError(Exception):
    """The host did not behave; the message says how."""


def expect(what: bool, text: str) -> None:
    """Raise FailureError with ``text`` unless ``what``."""
    if not what:
        raise FailureError(text)


@dataclass
class Host:
    """The host under test: its name in the inventory, its container, and its address."""

    name: str
    container: str
    address: str
    inventory: str
    folder: Path
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}:8300"

    def say(self, text: str) -> None:
        self.lines.append(text)
        with (self.folder / "drive.log").open("a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    def command(self, playbook: str, *options: str, **variables: object) -> list[str]:
        """Return the command that runs a playbook against this host alone."""
        limit = ("--limit", f"{self.name},localhost")
        return playbook_command(self.inventory, self.folder, playbook, *limit, *options, **variables)

    def play(self, playbook: str, *options: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook; return whether it succeeded, and what it said."""
        return run_playbook(self.command(playbook, *options, **variables), self.folder)

    def good(self, playbook: str, *options: str, **variables: object) -> str:
        """Run a playbook that has to succeed; return what it said."""
        done, text = self.play(playbook, *options, **variables)
        expect(done, f"{playbook} failed:\n{tail(text)}")
        return text

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command on the host and return its output."""
        done = subprocess.run(["podman", "exec", self.container, *command], capture_output=True, text=True, check=False)
        expect(done.returncode == 0 or not check, f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def record(self, number: int, faults: dict[str, Any] | None = None, **more: object) -> dict[str, object]:
        """Make release ``number`` and return its record."""
        folder = releases.make(self.folder / "sources" / str(number), number, faults)
        return {**releases.record(folder), **SETTINGS, **more}

    def deploy(self, *records: dict[str, object]) -> tuple[bool, str]:
        """Deploy the application alone from an inventory that has these records."""
        return self.play("playbooks/deploy.yml", app="load", wsgi_apps=records)

    def answer(self, path: str = "/", port: int = 8300) -> dict[str, Any]:
        """Ask the host once; raises FailureError unless that is answered with 200."""
        url = f"http://{self.address}:{port}{path}"
        done = subprocess.run(["curl", "-sSf", "-m", "20", url], capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"{url}: {done.stderr.strip()}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def mount(self, *arguments: str) -> None:
        """Mount on the host, or with --unmount-all unmount; from outside, since the container may not."""
        pid = subprocess.run(
            ["podman", "inspect", "--format", "{{.State.Pid}}", self.container],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        verb = ["umount", "--lazy", *arguments[1:]] if arguments[0] == "--unmount-all" else ["mount", *arguments]
        done = subprocess.run(
            ["nsenter", "--target", pid, "--mount", "--pid", "--root", "--wd", *verb],
            capture_output=True,
            text=True,
            check=False,
        )
        expect(done.returncode == 0, f"{' '.join(verb)}: {done.stderr.strip()}")

    def reboot(self) -> None:
        """Cut the power and start the host again; it may have another address then."""
        machine.podman("kill", self.container)
        machine.podman("start", self.container)
        self.address = machine.address(self.container)

    def is_answering(self) -> bool:
        try:
            self.answer()
        except FailureError:
            return False
        return True

    def live(self) -> str:
        """Return the id of the live release, by the map and the slot."""
        colour = self.run("cat", "/srv/wsgi/load/slot.map").split()[1].split("|")[0].rpartition("-")[2]
        return os.path.basename(self.run("readlink", f"/srv/wsgi/load/slots/{colour}").strip())

    def history(self) -> list[dict[str, Any]]:
        text = self.run("cat", "/srv/wsgi/load/history.jsonl")
        return [json.loads(line) for line in text.splitlines()]

    def notes(self, what: str, since: int) -> Callable[[], bool]:
        """Return a function that says whether the history has an event of a kind after its first ``since`` ones."""
        return lambda: any(event["what"] == what for event in self.history()[since:])

    def pids(self, letter: str) -> list[int]:
        """Return the daemon processes whose display name begins with a letter."""
        text = self.run("ps", "-eo", "pid=,args=")
        return [int(line.split()[0]) for line in text.splitlines() if line.split()[1].startswith(f"{letter}-load")]


def playbook_command(inventory: str, folder: Path, playbook: str, *options: str, **variables: object) -> list[str]:
    """Return the command that runs a playbook with these variables, which are written to a file in ``folder``."""
    path = folder / "variables.json"
    path.write_text(json.dumps(variables))
    tool = str(Path(sys.executable).parent / "ansible-playbook")
    return [tool, "-i", inventory, "-e", f"@{path}", *options, playbook]


def run_playbook(command: list[str], folder: Path) -> tuple[bool, str]:
    """Run the command, add its output to ``folder/ansible.log``; return whether it succeeded, and the output."""
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    with (folder / "ansible.log").open("a") as log:
        log.write(text)
    return done.returncode == 0, text


def start(command: list[str], *, start_new_session: bool = False) -> subprocess.Popen[bytes]:
    """Start a command and do not wait for it."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=nothing, stderr=nothing, start_new_session=start_new_session
    )


def tail(text: str) -> str:
    return "\n".join([line for line in text.splitlines() if line.strip()][-30:])


def judge(host: Host, run: RunFolder, what: str, *, allowed: int = 0) -> summary.Summary:
    """Say what clients saw in a part; raises FailureError when more than ``allowed`` of their requests failed."""
    found = summary.summarize(run)
    total = found.total
    host.say(
        f"{what}: {total.requests} requests, {total.failed} failed, {total.mixed} mixed, slowest fast request"
        f" {total.slowest_fast or 0:.3f} s (the client itself was late by {late(found):.3f} s at worst)"
    )
    for window in found.windows:
        figures = window.figures
        host.say(f"  {window.label}: {figures.requests} requests, {figures.failed} failed, {window.seconds:.1f} s")
    expect(total.mixed == 0, f"{what}: {total.mixed} answers were made of two releases")
    expect(total.failed <= allowed, f"{what}: {total.failed} requests failed ({total.by_outcome}), {allowed} may")
    slowest = total.slowest_fast or 0.0
    if slowest > SLOWEST_FAST:
        host.say(f"  the slowest fast request took more than {SLOWEST_FAST} s")
    expect(slowest <= SLOWEST_FAST_BUSY, f"{what}: a fast request took {slowest:.1f} s")
    return found


def late(found: summary.Summary) -> float:
    """Return by how many seconds the client itself was late at worst."""
    return max(found.run.client_delays, default=0.0)


def apache_children(host: Host) -> list[int]:
    text = host.run("ps", "-u", "www-data", "-o", "pid=,comm=")
    return [int(line.split()[0]) for line in text.splitlines() if line.split()[1] == "apache2"]


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, "what was waited for did not happen")
        time.sleep(0.2)
