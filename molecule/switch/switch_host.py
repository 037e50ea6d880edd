"""A host whose releases are replaced and broken while clients use it, and the check of the clients' answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import machine
from load import releases, summary
from load.process import under_load
from load.run_folder import RunFolder
from served import Host

REPOSITORY = Path(__file__).parents[2]
APP = "load"
"""The application that is replaced; its record is in records.yml.j2."""
BASE = f"/srv/wsgi/{APP}"
SLOWEST_FAST = 0.5
"""Seconds that the slowest fast request may take; beyond this it is reported."""
SLOWEST_FAST_FAILS = 10.0
"""Seconds beyond which the slowest fast request is a failure, however busy the machine is."""
LOAD = ("--seconds", "3000", "--pause", "0.1", "--slow", "4", "--slow-seconds", "1", "8", "--timeout", "60")
"""Options of the load client."""


@dataclass(frozen=True)
class SwitchHost(Host):
    """A test host with a folder for its reports.

    ``figures`` are the rows of the table at the end of the log, ``notes`` the sentences below the table.
    """

    folder: Path = Path()
    figures: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.app(APP)['listen']}"

    def note(self, text: str) -> None:
        """Add a sentence to the report."""
        self.notes.append(text)
        with (self.folder / "progress.log").open("a") as log:
            log.write(f"{time.strftime('%H:%M:%S')} {text}\n")

    def command(self, playbook: str, *options: str, **variables: object) -> list[str]:
        """Return the command that runs a playbook against this host alone."""
        limit = ("--limit", f"{self.name},localhost")
        return playbook_command(self.folder, playbook, *limit, *options, **variables)

    def try_play(self, playbook: str, *options: str, **variables: object) -> tuple[bool, str]:
        """Run a playbook; return whether it succeeded, and its output."""
        return run_playbook(self.command(playbook, *options, **variables), self.folder)

    def play(self, playbook: str, *options: str, **variables: object) -> str:
        """Run a playbook that has to succeed; return its output."""
        succeeded, output = self.try_play(playbook, *options, **variables)
        assert succeeded, f"{playbook} failed:\n{tail(output)}"
        return output

    def record(self, number: int, faults: dict[str, Any] | None = None, **more: object) -> dict[str, Any]:
        """Make release ``number`` and return its record: the inventory's, with another source and ``more`` keys.

        All releases share the inventory's limits. Other limits would change Apache's configuration.
        """
        folder = releases.make(self.folder / "sources" / str(number), number, faults)
        new_record = releases.record(folder, name=APP)
        return {**self.app(APP), "source": new_record["source"], "config": new_record["config"], **more}

    def try_deploy(self, *records: dict[str, Any]) -> tuple[bool, str]:
        """Deploy the application alone from an inventory that has these records."""
        return self.try_play("playbooks/deploy.yml", app=APP, wsgi_apps=records)

    def deploy(self, *records: dict[str, Any]) -> str:
        """Deploy the application alone from an inventory that has these records; it has to succeed."""
        return self.play("playbooks/deploy.yml", app=APP, wsgi_apps=records)

    def releases_named(self) -> dict[str, str]:
        """Send the application one request; return the release that each of its four places names."""
        answer = self.ask(APP, "/")
        assert answer.status == 200, f"{self.name} answered {answer.status}"
        named: dict[str, str] = json.loads(answer.text)["release"]
        return named

    def code(self) -> str:
        """Return the release that the application's code names."""
        return self.releases_named()["code"]

    def is_answering(self) -> bool:
        try:
            return self.ask(APP, "/").status == 200
        except OSError:
            return False

    def live_release(self) -> str:
        return self.live(APP)[1]

    def reboot(self) -> None:
        """Cut the power and start the host again; it may have another address then."""
        machine.podman("kill", self.container)
        machine.podman("start", self.container)

    def history(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("cat", f"{BASE}/history.jsonl").splitlines()]

    def has_event(self, kind: str, after: int) -> Callable[[], bool]:
        """Return a function that tells whether the history has an event of a kind after its first ``after`` events."""
        return lambda: any(event["what"] == kind for event in self.history()[after:])

    def all_daemons(self) -> set[int]:
        """Return the ids of the application's daemon processes in both slots."""
        return {pid for colour in ("blue", "green") for pid in self.daemons(APP, colour)}

    @contextmanager
    def load(
        self,
        part: str,
        *,
        may_fail: int = 0,
        slowest_fails: float = SLOWEST_FAST_FAILS,
        options: tuple[str, ...] = (),
    ) -> Iterator[RunFolder]:
        """Put load on the application during the block; then report the answers of its clients, and check them.

        ``part`` names the run in the report and, with hyphens, its folder. ``options`` are further ones of the client.
        Fails when more than ``may_fail`` requests failed, when an answer was made of two releases, or when a fast
        request took longer than ``slowest_fails`` seconds.
        """
        folder = self.folder / part.replace(" ", "-").replace("'", "")
        with under_load(self.url, folder, *LOAD, *options) as run:
            yield run
        self.check_summary(part, summary.summarize(run), may_fail, slowest_fails)

    def check_summary(
        self, part: str, result: summary.Summary, may_fail: int = 0, slowest_fails: float = SLOWEST_FAST_FAILS
    ) -> None:
        """Report and check the answers of the clients of a run; fails in the same cases as ``load``."""
        total, slowest = result.total, result.total.slowest_fast or 0.0
        rows = [(part, total, result.seconds), *((f"  {w.label}", w.figures, w.seconds) for w in result.windows)]
        for name, figures, seconds in rows:
            counts = (figures.requests, figures.failed, figures.mixed)
            fast = f"{figures.slowest_fast or 0.0:.3f}"
            self.figures.append((self.name, name, *map(str, counts), fast, f"{seconds:.1f}"))
        self.note(f"{part}: {total.requests} requests, {total.failed} failed, {total.mixed} mixed")
        if slowest > SLOWEST_FAST:
            self.note(
                f"{part}: the slowest fast request took {slowest:.3f} s, more than {SLOWEST_FAST} s; the client itself"
                f" was late by {client_delay(result):.3f} s at worst"
            )
        assert total.mixed == 0, f"{part}: {total.mixed} answers were made of two releases"
        assert total.failed <= may_fail, f"{part}: {total.failed} requests failed, {may_fail} may: {total.by_outcome}"
        assert slowest <= slowest_fails, f"{part}: a fast request took {slowest:.1f} s"


def playbook_command(folder: Path, playbook: str, *options: str, **variables: object) -> list[str]:
    """Return the command that runs a playbook with these variables, which are written to a file in ``folder``."""
    path = folder / "variables.json"
    path.write_text(json.dumps(variables))
    inventory = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "inventory"))
    tool = str(Path(sys.executable).parent / "ansible-playbook")
    return [tool, "-i", inventory, "-e", f"@{path}", *options, playbook]


def run_playbook(command: list[str], folder: Path) -> tuple[bool, str]:
    """Run the command, add its output to ``folder/ansible.log``; return whether it succeeded, and the output."""
    completed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    output = completed.stdout + completed.stderr
    with (folder / "ansible.log").open("a") as log:
        log.write(output)
    return completed.returncode == 0, output


def start(command: list[str], *, start_new_session: bool = False) -> subprocess.Popen[bytes]:
    """Start a command and do not wait for it."""
    nothing = subprocess.DEVNULL
    return subprocess.Popen(
        command, cwd=REPOSITORY, stdout=nothing, stderr=nothing, start_new_session=start_new_session
    )


def tail(output: str) -> str:
    """Return the last lines of a playbook's output."""
    return "\n".join([line for line in output.splitlines() if line.strip()][-30:])


def client_delay(result: summary.Summary) -> float:
    """Return the longest delay of the load client itself, in seconds."""
    return max(result.run.client_delays, default=0.0)


def wait_until(condition: Callable[[], bool], seconds: float, event: str) -> None:
    """Wait until the condition holds; fails with the name of the event after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{event}: not within {seconds:.0f} s"
        time.sleep(0.2)
