#!/usr/bin/env python3
"""Replace, roll back and break the releases of one host while clients use it, and count what they lose.

The report of each part is in .cache/switch/HOST/; the last line printed names it. Exit status 1 when a part failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.load import releases, summary
from tests.load.process import under_load
from tests.load.run_folder import RunFolder

REPOSITORY = Path(__file__).parents[2]
SLOWEST_FAST = 0.5
"""Seconds that the slowest fast request may take; on a machine that is busy with other things it is only reported."""
SLOWEST_FAST_BUSY = 10.0
"""Seconds beyond which it is a failure on any machine."""
BACK = 2.0
"""Seconds in which the service has to be back after processes were killed, besides by how much the client was late."""
REQUESTS = 20_000
SWITCHES, ROLLBACKS = 20, 5
OPTIONS = ("--seconds", "3000", "--slow", "4", "--slow-seconds", "1", "4", "--timeout", "60")


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

    def command(self, playbook: str, **variables: object) -> list[str]:
        """Return the command that runs a playbook against this host alone."""
        path = self.folder / "variables.json"
        path.write_text(json.dumps(variables))
        tool = str(Path(sys.executable).parent / "ansible-playbook")
        return [tool, "-i", self.inventory, "--limit", f"{self.name},localhost", "-e", f"@{path}", playbook]

    def play(self, playbook: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook; return whether it succeeded, and what it said."""
        done = subprocess.run(
            self.command(playbook, **variables), cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        text = done.stdout + done.stderr
        with (self.folder / "ansible.log").open("a") as log:
            log.write(text)
        return done.returncode == 0, text

    def good(self, playbook: str, **variables: object) -> str:
        """Run a playbook that has to succeed; return what it said."""
        done, text = self.play(playbook, **variables)
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
        return releases.record(folder, processes=2, memory_limit=256, **more)

    def deploy(self, record: dict[str, object]) -> tuple[bool, str]:
        return self.play("playbooks/deploy.yml", app="load", wsgi_apps=[record])

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
    late = max(found.run.client_delays, default=0.0)
    host.say(
        f"{what}: {total.requests} requests, {total.failed} failed, {total.mixed} mixed, slowest fast request"
        f" {total.slowest_fast or 0:.3f} s (the client itself was late by {late:.3f} s at worst)"
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


def switches(host: Host) -> None:
    """Deploy new releases, switch between them, roll back, and let one be a canary."""
    with under_load(host.url, host.folder / "switches", *OPTIONS) as run:
        for number in (2, 3, 4):
            with run.window("switch", f"deploy release {number}"):
                done, text = host.deploy(host.record(number))
            expect(done, f"release {number} was not deployed:\n{tail(text)}")
        live = [event["release"] for event in host.history() if event["what"] == "switched"][-3:]
        expect(host.live() == live[-1], f"live is {host.live()}, not {live[-1]}")
        order = [live[number % 3] for number in range(SWITCHES - 3)]
        with run.window("switch", f"{len(order)} switches"):
            host.good("molecule/switch/repeat.yml", switches=order, rollbacks=0)
        with run.window("rollback", f"{ROLLBACKS - 1} rollbacks"):
            text = host.good("molecule/switch/repeat.yml", switches=[], rollbacks=ROLLBACKS - 1)
        host.say("  " + "".join(re.findall(r"seconds to the first answer: [\d. ]+", text)))
        before = host.live()
        with run.window("rollback", "playbooks/rollback.yml"):
            host.good("playbooks/rollback.yml", app="load")
        expect(host.live() != before, "the rollback changed nothing")
        other = next(release for release in live if release != host.live())
        with run.window("switch", "canary of 25 %, withdrawn"):
            host.good("playbooks/canary.yml", app="load", percent=25, release=other, wsgi_apps=[host.record(4)])
            time.sleep(3)
            host.good("playbooks/canary.yml", app="load", percent=0, wsgi_apps=[host.record(4)])
        count = run.samples.read_text().count("\n")
        deadline = time.monotonic() + 240
        while count < REQUESTS and time.monotonic() < deadline:
            time.sleep(1)
            count = run.samples.read_text().count("\n")
    found = judge(host, run, "switches and rollbacks")
    whats = [event["what"] for event in host.history()]
    expect(whats.count("switched") >= SWITCHES, f"only {whats.count('switched')} switches")
    expect(whats.count("rolled_back") >= ROLLBACKS, f"only {whats.count('rolled_back')} rollbacks")
    expect(found.total.requests >= REQUESTS, f"only {found.total.requests} requests")
    shared = next(window for window in found.windows if window.label.startswith("canary")).figures.releases
    host.say(f"  during the canary releases answered {shared}")


def refusals(host: Host) -> None:
    """Deploy what cannot work: the old release serves on, and the history says what happened."""
    old = host.live()
    daemon = {"daemon_only": True}
    cases: list[tuple[str, dict[str, object], str]] = [
        ("an import error", host.record(10, {"import_error": True}), "asks for an error at import"),
        ("a missing file", {**host.record(11), "environment": {"LOAD_APP_CONFIG": "{etc}/none"}}, "No such file"),
        (
            "health that answers 503",
            host.record(12, {**daemon, "health_status": 503}, start_timeout=6),
            "answered 503 after 6 s",
        ),
        (
            "an import slower than the time-out",
            host.record(13, {**daemon, "import_seconds": 60.0}, start_timeout=6),
            "after 6 s \\(start_timeout\\)",
        ),
        ("a migration that fails", host.record(14, migrate="sh -c 'echo no such table; exit 3'"), "no such table"),
    ]
    with under_load(host.url, host.folder / "refusals", *OPTIONS) as run:
        for label, record, said in cases:
            with run.window("fault", label):
                done, text = host.deploy(record)
            expect(not done, f"{label}: the deployment succeeded")
            expect(re.search(said, text) is not None, f"{label}: the message lacks {said!r}:\n{tail(text)}")
            expect(host.live() == old, f"{label}: {host.live()} is live, not {old}")
            event = host.history()[-1]
            expect(event["what"] in ("refused", "failed"), f"{label}: the history says {event}")
        victim = next(event["release"] for event in host.history()[::-1] if event["release"] != old)
        host.run("chown", "root:root", f"/srv/wsgi/load/releases/{victim}/entry.py")
        with run.window("fault", "a file of a wrong owner"):
            done, text = host.play("molecule/switch/repeat.yml", switches=[victim], rollbacks=0)
        expect(not done and "(start_timeout)" in text, f"a wrong owner was not refused:\n{tail(text)}")
        expect(host.live() == old, f"a wrong owner: {host.live()} is live, not {old}")
        host.run("chown", "root:load", f"/srv/wsgi/load/releases/{victim}/entry.py")
    judge(host, run, "refused releases")


def interruptions(host: Host) -> None:
    """Kill Ansible at several moments, and start two deployments at once: the next run converges."""
    with under_load(host.url, host.folder / "interruptions", *OPTIONS) as run:
        for number, moment in ((20, "is built"), (21, "is switched")):
            before = len(host.history())
            record = host.record(number)
            wanted = "built" if moment == "is built" else "switched"
            with run.window("fault", f"ansible-playbook killed when the release {moment}"):
                command = host.command("playbooks/deploy.yml", app="load", wsgi_apps=[record])
                process = start(command, start_new_session=True)
                wait_for(host.notes(wanted, since=before), 240)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            with run.window("switch", f"the next run, release {number}"):
                for _ in range(20):
                    done, text = host.deploy(record)
                    if done or "wait for it to end" not in text:
                        break
                    time.sleep(2)
            expect(done, f"the run after the killed one failed:\n{tail(text)}")
            answer = json.loads(subprocess.run(["curl", "-s", host.url], capture_output=True, check=True).stdout)
            expect(answer["release"]["code"] == str(number), f"release {answer['release']} is live, not {number}")
        with run.window("fault", "two deployments at once"):
            record = host.record(22)
            first = start(host.command("playbooks/deploy.yml", app="load", wsgi_apps=[record]))
            wait_for(lambda: bool(host.run("sh", "-c", "ls /srv/wsgi/load/deployment.json || true")), 120)
            done, text = host.play("playbooks/rollback.yml", app="load")
            first.wait()
        expect(not done and "wait for it to end" in text, f"the second one was not refused:\n{tail(text)}")
        expect(first.returncode == 0, "the first of two deployments failed")
    judge(host, run, "interrupted and simultaneous deployments")


def deaths(host: Host) -> None:
    """Kill processes, and let an application use up its memory."""
    colour = host.run("cat", "/srv/wsgi/load/slot.map").split()[1].rpartition("-")[2]
    letter = colour[0]
    for label, victims in (
        ("kill -9 of a daemon process", lambda: host.pids(letter)[:1]),
        ("kill -9 of all of a slot's processes", lambda: host.pids(letter)),
        ("kill -9 of an Apache child", lambda: apache_children(host)[:1]),
    ):
        with under_load(host.url, host.folder / label.replace(" ", "-").replace("'", ""), *OPTIONS) as run:
            time.sleep(3)
            with run.window("fault", label):
                found = [str(pid) for pid in victims()]
                expect(bool(found), f"{label}: there is none")
                host.run("kill", "-9", *found)
                time.sleep(3)
            time.sleep(2)
        # All clients may have had a request in the killed processes.
        result = judge(host, run, label, allowed=12)
        silence = result.silence or 0.0
        host.say(f"  back within {silence:.2f} s")
        late = max(result.run.client_delays, default=0.0)
        expect(silence <= BACK + late, f"{label}: no good answer for {silence:.1f} s")


def memory(host: Host) -> None:
    """Let the application eat until it nears its limit: its processes are replaced, and nobody else notices."""
    done, text = host.deploy(host.record(30, {"eat": True}))
    expect(done, f"release 30 was not deployed:\n{tail(text)}")
    with under_load(host.url, host.folder / "memory", *OPTIONS) as run:
        before = set(host.pids("b")) | set(host.pids("g"))
        with run.window("fault", "memory of an application exhausted"):
            eaten = subprocess.run(
                [
                    "sh",
                    "-c",
                    f"for i in $(seq 40); do curl -s -o /dev/null -w '%{{http_code}} ' '{host.url}/eat?mb=20'; done",
                ],
                capture_output=True,
                text=True,
                check=False,
            ).stdout.split()
            time.sleep(2)
        after = set(host.pids("b")) | set(host.pids("g"))
    host.say(f"  the eater got {', '.join(f'{eaten.count(code)} x {code}' for code in sorted(set(eaten)))}")
    expect(bool(before - after), "no process was replaced")
    result = judge(host, run, "memory exhausted", allowed=12)
    host.say(f"  {len(before - after)} processes were replaced; back within {result.silence or 0:.2f} s")


def apache_children(host: Host) -> list[int]:
    text = host.run("ps", "-u", "www-data", "-o", "pid=,comm=")
    return [int(line.split()[0]) for line in text.splitlines() if line.split()[1] == "apache2"]


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        expect(time.monotonic() < deadline, "what was waited for did not happen")
        time.sleep(0.2)


PARTS: dict[str, Callable[[Host], None]] = {
    "switches": switches,
    "refusals": refusals,
    "interruptions": interruptions,
    "deaths": deaths,
    "memory": memory,
}


def main() -> int:
    """Run the parts, one after the other, whatever becomes of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("container")
    parser.add_argument("address")
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--part", action="append", choices=PARTS, default=[])
    asked = parser.parse_args()
    folder = REPOSITORY / ".cache" / "switch" / asked.name
    folder.mkdir(parents=True, exist_ok=True)
    host = Host(asked.name, asked.container, asked.address, asked.inventory, folder)
    failed = 0
    for name in asked.part or PARTS:
        try:
            PARTS[name](host)
        except (FailureError, RuntimeError, OSError) as error:
            failed += 1
            host.say(f"FAILED {name}: {error}")
    (folder / "report.txt").write_text("\n".join(host.lines) + "\n")
    print("\n".join([*host.lines, f"the reports are in {folder}"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
