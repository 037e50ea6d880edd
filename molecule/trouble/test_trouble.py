"""Runs that cannot succeed: each gives the reason in one message, and the application that serves stays unchanged."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machine
import main_job
import pytest
from served import Host, wait_for

PROJECTS = Path(__file__).parent / "projects"
Record = dict[str, Any]


class Client(threading.Thread):
    """Sends requests to the app all the time; ``answers`` holds the status and word of each answer."""

    def __init__(self, host: Host) -> None:
        super().__init__(daemon=True)
        self.answers: list[tuple[int, str]] = []
        self._host = host
        self._address = host.address
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.02):
            try:
                answer = self._host.ask("steady", "/", address=self._address)
                self.answers.append((answer.status, json.loads(answer.text)["config"]))
            except (OSError, ValueError) as error:
                self.answers.append((0, str(error)))

    def stop(self) -> set[tuple[int, str]]:
        """End the requests; return the different answers, and fail if there are none."""
        self._end.set()
        self.join()
        assert self.answers
        return set(self.answers)


@pytest.fixture
def client(host: Host) -> Iterator[Client]:
    """A client that has started to send requests."""
    running = Client(host)
    running.start()
    yield running
    running.stop()


def state(host: Host) -> str:
    """Return the state that a refused run must not change: slots, releases, Apache's files and processes."""
    program = """
cd /srv/wsgi && cat steady/slot.map && ls -lA --time-style=full-iso steady/slots steady/releases steady/venvs
ls -1 /srv/wsgi
find /etc/apache2 -type f -o -type l | sort | xargs md5sum
ps -C apache2 -o pid=,lstart=,args=
getent passwd | md5sum
"""
    return host.run("sh", "-c", program)


def steady(host: Host, **changes: Any) -> Record:
    """Return the record of the app that serves, with these changes; None removes a key."""
    record = {**host.app("steady"), **changes}
    return {key: value for key, value in record.items() if value is not None}


ENTRY = {"module": "echo:application"}
SECOND = {"name": "second", "listen": 8081}
REFUSED: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "unknown key": ([{"proceses": 3}], ["record steady, key proceses: found an unknown key; did you mean processes?"]),
    "wrong type": ([{"processes": "many"}], ["record steady, key processes: found 'many'", "a whole number"]),
    "no source": ([{"source": None}], ["record steady, key source: found nothing; it is required"]),
    "missing source": ([{"source": "./nowhere"}], ["record steady, key source: found './nowhere'", "a folder"]),
    "one port twice": (
        [{}, {"name": "second"}],
        ["record second, key listen: found port 8080 and no server_name; steady has the same; give one of"],
    ),
    "invalid name": (
        [{}, {**SECOND, "name": "Second App"}],
        ["record Second App, key name: found 'Second App'", "lower-case"],
    ),
    "long name": ([{}, {**SECOND, "name": "s" * 31}], ["key name: found 31 characters; it may have 30 at most"]),
    "more than the MPM feeds": (
        [{"processes": 60, "threads": 60}],
        ["record steady, key processes: found 60 x 60 threads = 3600; the MPM has", "httpd_server_limit"],
    ),
    "unknown entry": ([{"entry": {"django": "x"}}], ["record steady, key entry.django: found an unknown key"]),
    "two entries": (
        [{"entry": {**ENTRY, "pecan": "config.py"}}],
        ["record steady, key entry: found pecan and module; it has to have exactly one of pecan, paste, module"],
    ),
    "unknown option": (
        [{"daemon_options": {"interrupt-timeout": 5}}],
        [
            "record steady, key daemon_options.interrupt-timeout: found an unknown option; it came with mod_wsgi 6,",
            "the host's is 4.9.4; remove it, or set mod_wsgi_source: pypi",
        ],
    ),
    "another Python": (
        [{"python": "/usr/bin/pypy3"}],
        ["record steady, key python: found /usr/bin/pypy3 (3.9", "mod_wsgi is linked to 3.11", "the same version"],
    ),
    "missing configuration": (
        [{"config": {"echo.conf": "./nowhere.j2"}}],
        ["record steady, key config.echo.conf: found './nowhere.j2', which is not there", "it has to be a file"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_is_touched(host: Host, client: Client, case: str) -> None:
    changes, parts = REFUSED[case]
    before = state(host)
    outcome = main_job.run(host, [steady(host, **change) for change in changes])
    assert outcome.status == 2
    assert outcome.changed == 0
    (message,) = outcome.messages
    assert message.startswith("1 problem in wsgi_apps, nothing was changed:")
    assert [part for part in parts if part not in message] == [], message
    assert client.stop() == {(200, "first")}
    assert state(host) == before


def test_a_port_that_another_program_holds(host: Host, client: Client) -> None:
    program = "import socket, time; s = socket.create_server(('', 8099)); print('held', flush=True); time.sleep(3600)"
    holder = subprocess.Popen(
        [*machine.enter(host.container), "python3", "-c", program], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    try:
        before = state(host)
        outcome = main_job.run(host, [steady(host, listen=8099)])
        assert outcome.messages == [
            "1 problem in wsgi_apps, nothing was changed:\n- record steady, key listen: found port 8099, which python3"
            f" (process {host.run('pgrep', '-f', 'create_server').split()[0]}) holds; choose a free port, or stop that"
            " program"
        ]
        assert client.stop() == {(200, "first")}
        assert state(host) == before
    finally:
        host.run("pkill", "-f", "create_server")
        holder.wait()


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"source": str(PROJECTS / "broken")},
            [
                "record steady: the release does not work",
                "in <module>",
                "RuntimeError: this project cannot be imported",
            ],
        ),
        (
            {"source": str(PROJECTS / "forgetful"), "requirements": ["idna"]},
            ["ModuleNotFoundError: No module named 'yaml'", "Write into the record:\n    requirements: [idna, PyYAML]"],
        ),
        ({"health": "/fail"}, ["record steady: the release does not work", "/fail answered 500 Internal Server Error"]),
    ],
    ids=["cannot be imported", "lacks a package", "answers 500"],
)
def test_a_release_that_does_not_work(host: Host, client: Client, changes: Record, parts: list[str]) -> None:
    before = state(host)
    outcome = main_job.run(host, [steady(host, **changes)], echo_word="second")
    assert outcome.status == 2
    (message,) = outcome.messages
    assert [part for part in parts if part not in message] == [], message
    assert client.stop() == {(200, "first")}
    assert without_times(state(host)) == without_times(before)


def without_times(text: str) -> list[str]:
    """Return the state without the times and sizes of folders that a build has worked in."""
    return [line for line in text.splitlines() if not line.startswith(("d", "total"))]


def test_a_read_only_file_system(host: Host, client: Client) -> None:
    """A second app, on a file system of its own that is mounted read-only."""
    folder = "/srv/wsgi/second"
    pid = machine.podman("inspect", "--format", "{{.State.Pid}}", host.container).strip()
    host.run("mkdir", folder)
    inside = ["nsenter", "--target", pid, "--mount"]
    subprocess.run([*inside, "mount", "-t", "tmpfs", "-o", "ro", "fixed", folder], check=True)
    try:
        outcome = main_job.run(host, [steady(host), steady(host, **SECOND)])
        assert outcome.status == 2
        (message,) = outcome.messages
        assert message.startswith(f"record second: the file system that holds {folder}/.lock is mounted read-only; ")
        assert client.stop() == {(200, "first")}
    finally:
        subprocess.run([*inside, "umount", folder], check=True)
        host.run("rmdir", folder)


def test_a_full_disk(host: Host, client: Client) -> None:
    """A second app, on a file system of its own that is too small for its virtualenv."""
    folder = "/srv/wsgi/second"
    pid = machine.podman("inspect", "--format", "{{.State.Pid}}", host.container).strip()
    host.run("mkdir", folder)
    subprocess.run(
        ["nsenter", "--target", pid, "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "small", folder], check=True
    )
    try:
        before = state(host)
        outcome = main_job.run(host, [steady(host), steady(host, **SECOND)])
        assert outcome.status == 2
        (message,) = outcome.messages
        assert message.startswith("record second: ")
        assert "No space left on device" in message or "is full" in message
        assert host.run("find", folder, "-mindepth", "2").split() == []
        assert client.stop() == {(200, "first")}
        assert state(host).splitlines()[:-1] == before.splitlines()[:-1]
    finally:
        subprocess.run(["nsenter", "--target", pid, "--mount", "umount", folder], check=True)


# What a run has to do for an application before it can serve, and what a dry run cannot do.
DEMANDING: Record = {
    "requirements": ["idna"],
    "build": "sh -c 'mkdir src/made && echo made >src/made/file'",
    "prepare": "mkdir -p {state}/media",
    "migrate": "sh -c 'test -d {state}/media && touch {state}/migrated'",
    "static": {"/made": "made", "/media": "{state}/media"},
    "exclude": ["/tests"],
    "max_log": 1048576,
    "log_days": 3,
    "health": {"path": "/", "status": [200, 401]},
}


def everything(host: Host) -> str:
    """Return what a dry run must not change: files, accounts and processes, without what programs write meanwhile."""
    program = """
find /srv/wsgi /etc /opt/grove /var/lib/grove -printf '%p %y %m %u %g %s %T@ %l\\n' | sort
ls -l --time-style=full-iso /var/lib
getent passwd
ps -C apache2 -o pid=,lstart=,args=
"""
    return host.run("sh", "-c", program)


def started_from_outside(host: Host) -> list[str]:
    """Return the programs that the controller has started on the host and that still run."""
    processes = [line.split() for line in host.run("ps", "-e", "-o", "pid=,ppid=,comm=").splitlines()]
    return [program for pid, parent, program in processes if parent == "0" and pid != "1" and program != "ps"]


@pytest.mark.parametrize(
    ("task", "sent"),
    [
        ("Make each application's account", signal.SIGKILL),
        ("Build the release of each application", signal.SIGKILL),
        ("Write Apache's whole configuration", signal.SIGINT),
        # The name of a task is printed with its first result. The switch has begun when this task has a result.
        ("Load the written configuration", signal.SIGKILL),
    ],
    ids=["accounts", "building", "declaring", "switching"],
)
def test_an_interrupted_run_is_finished_by_the_next(host: Host, task: str, sent: signal.Signals) -> None:
    """With a change of Apache's configuration and of the release, and one app more each time.

    A dry run between the two says what is left to do, and changes nothing.
    """
    word = f"w{uuid.uuid4().hex[:8]}"
    apps = [steady(host, max_body=int(word[1:], 16)), steady(host, name=word, listen=8090, **DEMANDING)]
    process = main_job.start(host, apps, echo_word=word)
    assert process.stdout is not None
    for line in process.stdout:
        if task in line:
            time.sleep(0.5)
            os.killpg(process.pid, sent)
            break
    process.stdout.read()
    assert process.wait() != 0
    assert host.ask("steady", "/").status == 200
    if sent == signal.SIGKILL:
        examined = subprocess.run(
            main_job.command(host, apps, playbook="playbooks/doctor.yml", echo_word=word),
            cwd=main_job.REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(r"warning +app steady +a run was interrupted: ", examined.stdout), examined.stdout

    # The host goes on with the task that the killed run had begun there.
    assert wait_for(lambda: "" if started_from_outside(host) else "all have ended", seconds=600)
    before = everything(host)
    outcome = main_job.run(host, apps, options=("--check", "--diff"), echo_word=word)
    assert (outcome.messages, outcome.status) == ([], 0)
    assert outcome.changed > 0
    assert everything(host) == before
    outcome = main_job.run(host, apps, echo_word=word)
    assert (outcome.messages, outcome.status) == ([], 0)
    for port in (8080, 8090):
        assert json.loads(host.ask(port, "/").text)["config"] == word
    assert host.ask(8090, "/made/file").text == "made\n"
    host.run("test", "-d", f"/var/lib/{word}/media", "-a", "-e", f"/var/lib/{word}/migrated")
    remains = ("-path", "*/releases/.*", "-o", "-path", "*/venvs/.*", "-o", "-name", "*.tmp")
    assert host.run("find", "/srv/wsgi", "/etc/apache2", "-maxdepth", "3", *remains) == ""
    again = main_job.run(host, apps, echo_word=word)
    assert (again.status, again.changed) == (0, 0)
