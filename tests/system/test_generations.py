"""A real Apache hands over to a second one, while clients ask: steering, refusals, and what a killed run leaves."""

from __future__ import annotations

import contextlib
import functools
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.grove.wsgi.plugins.module_utils.generation import (
    connections,
    door,
    handover,
    kernel,
    limits,
    memory,
    state,
    steering,
    trees,
)
from ansible_collections.grove.wsgi.plugins.module_utils.generation.state import Generation, GenerationError, Settings
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import loaded
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

pytestmark = pytest.mark.debian_packages("apache2")

REPOSITORY = Path(__file__).resolve().parents[2]
PORT, DOOR, OWN_DOORS = 18551, 18552, (18553, 18554)
KEEPALIVE_SECONDS = 2
CONFIGURATION = """
# Written by Grove for this test.
{first}
ServerName localhost
User www-data
Group www-data
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule headers_module {modules}/mod_headers.so
LoadModule setenvif_module {modules}/mod_setenvif.so
LoadModule status_module {modules}/mod_status.so
StartServers 2
ServerLimit 2
ThreadsPerChild 16
MaxRequestWorkers 32
KeepAliveTimeout {keepalive}
ErrorLog {root}/logs/error.log
DocumentRoot {root}/www
Listen 127.0.0.1:{port}
Listen 127.0.0.1:{door}
{include}
<VirtualHost 127.0.0.1:{port}>
    Header always set X-Text "{text}"
</VirtualHost>
<VirtualHost 127.0.0.1:{door}>
    ServerName status.door
    <Location "/">
        SetHandler server-status
    </Location>
</VirtualHost>
"""


DEBIAN_MODULES = "/usr/lib/apache2/modules"
FAMILIES: dict[str, dict[str, str]] = {
    "Debian": {"first": "", "modules": DEBIAN_MODULES, "include": "IncludeOptional conf-enabled/*.conf"},
    # The folder of the server has a link to the modules, and the main file names the folder.
    "RedHat": {"first": 'ServerRoot "{root}/etc"', "modules": "modules", "include": "IncludeOptional conf.d/*.conf"},
}
"""How the main file of each family names modules and other files."""


class Server:
    """An Apache whose configuration this test changes. Its files lie as on hosts of the family."""

    def __init__(self, root: Path, family: str = "Debian") -> None:
        values = yaml.safe_load((REPOSITORY / "roles/httpd/vars/main.yml").read_text())["__httpd_families"][family]
        tree = root / "etc"
        self.family = family
        self.main = tree / values["layout"]["main"]
        snippets = [Path(values["layout"][key] or "none").parent for key in ("conf", "conf_enabled")]
        for folder in (self.main.parent, *(tree / one for one in snippets), root / "run", root / "logs", root / "www"):
            folder.mkdir(parents=True, exist_ok=True)
        if family == "RedHat":
            (tree / "modules").symlink_to(DEBIAN_MODULES)
            (tree / "logs").symlink_to("../logs")
        places = {"root": str(tree), "pid_file": str(root / "run" / "pid"), "log_dir": str(root / "logs")}
        places["binary"] = "/usr/sbin/apache2"
        self.root = root
        self.settings = Settings(
            layout=Layout.of({**values["layout"], **places, "envvars": ""}),
            base=root / "srv",
            door=f"127.0.0.1:{DOOR}",
            own_doors=(f"127.0.0.1:{OWN_DOORS[0]}", f"127.0.0.1:{OWN_DOORS[1]}"),
            drain_timeout=20,
            folder=root / "generations",
        )
        self.write("one")

    def write(self, text: str, more: str = "") -> None:
        """Write the configuration: answers have ``text`` in a header."""
        own = {name: value.format(root=self.root) for name, value in FAMILIES[self.family].items()}
        content = CONFIGURATION.format(
            root=self.root, port=PORT, door=DOOR, text=text, keepalive=KEEPALIVE_SECONDS, **own
        )
        self.main.write_text(content + more)

    def hand_over(self) -> None:
        """Do the three steps of a handover."""
        for step in (handover.prepare, handover.begin, handover.finish):
            step(self.settings)

    def numbers(self) -> list[int]:
        """Return the numbers of the generations that run."""
        return [one.number for one in state.running(self.settings)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Server]:
    """An Apache whose first generation runs."""
    root = Path(tempfile.mkdtemp(prefix="grove-generations-", dir="/tmp"))
    root.chmod(0o755)
    monkeypatch.setattr(loaded, "APPLIED", root / "applied.json")
    monkeypatch.setattr(loaded, "LOADED", root / "loaded.json")
    monkeypatch.setattr(kernel, "obstacle", lambda: "")
    lock = root / "lock"
    no_handover = state.no_handover
    monkeypatch.setattr(state, "no_handover", lambda *, alone=False: no_handover(alone=alone, path=lock))
    server = Server(root, getattr(request, "param", "Debian"))
    handover.boot(server.settings)
    yield server
    for one in state.running(server.settings):
        pid = one.parent()
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        while processes.start_time(pid) and one.parent() is not None:
            time.sleep(0.05)
    shutil.rmtree(root)


def ask(connection: http.client.HTTPConnection) -> str:
    connection.request("GET", "/")
    return answer_of(connection)


def answer_of(connection: http.client.HTTPConnection) -> str:
    answer = connection.getresponse()
    answer.read()
    return str(answer.getheader("X-Text"))


def asked() -> str:
    """Return the text that a new client gets."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    try:
        return ask(connection)
    finally:
        connection.close()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def under_requests(work: Callable[[], Any], answers: list[str] | None = None) -> list[str]:
    """Call ``work`` while clients ask, with kept and with new connections; return the answers, and errors as such."""
    answers = [] if answers is None else answers
    ended, asked_by = threading.Event(), [0, 0, 0, 0]

    def client(number: int, kept: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        former = time.monotonic()
        while not ended.is_set():
            sent = None
            try:
                # http.client connects again where the server has said that it closes the connection.
                connection.request("GET", "/")
                sent = time.monotonic()
                answers.append(answer_of(connection))
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                sent = sent or time.monotonic()
                # On a busy machine, so much time can be between two requests that Apache closes the connection.
                if not (kept and sent - former >= KEEPALIVE_SECONDS / 2):
                    answers.append(f"failed: {error!r}")
            former = sent
            asked_by[number] += 1
            if not kept:
                connection.close()
            time.sleep(0.005)

    def wait_for_each_client() -> None:
        """Wait until each client has begun a request and has its answer."""
        enough = [number + 2 for number in asked_by]
        wait_until(lambda: all(now >= then for now, then in zip(asked_by, enough, strict=True)))

    threads = [threading.Thread(target=client, args=values) for values in enumerate((True, True, False, False))]
    for thread in threads:
        thread.start()
    try:
        wait_for_each_client()
        work()
        wait_for_each_client()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    return answers


@contextlib.contextmanager
def killing_while_leaving(former: Generation, pid: int) -> Iterator[None]:
    """Let a client keep the former generation from ending, and kill a process while that generation waits for it."""

    def kill_then() -> None:
        wait_until(former.leaving.exists)
        os.kill(pid, signal.SIGKILL)

    with socket.create_connection(("127.0.0.1", PORT)) as slow:
        # A worker reads the rest of this request.
        slow.sendall(b"GET / HTTP/1.1\r\n")
        wait_until(lambda: (door.busy_workers(former) or 0) > 0)
        killer = threading.Thread(target=kill_then)
        killer.start()
        yield
        killer.join()


@pytest.mark.parametrize("server", FAMILIES, indirect=True)
def test_handovers_lose_no_request(server: Server) -> None:
    def work() -> None:
        for number in range(3):
            server.write(f"text {number}")
            server.hand_over()
            assert asked() == f"text {number}"
            wait_until(functools.partial(answers.__contains__, f"text {number}"))

    answers = list[str]()
    under_requests(work, answers)
    assert {answer for answer in answers if answer.startswith("failed")} == set()
    assert {"one", "text 0", "text 1", "text 2"} <= set(answers)
    assert server.numbers() == [4]
    assert state.live(server.settings) == state.running(server.settings)[0]
    # Whoever looks for Apache's parent finds that of the live generation.
    assert int(Path(server.settings.layout.pid_file).read_text()) == state.running(server.settings)[0].parent()
    # The trees of the live and of the former generation are kept.
    assert sorted(path.name for path in server.settings.folder.iterdir() if path.name.isdigit()) == ["3", "4"]


def test_a_new_generation_gets_nothing_before_it_was_asked(server: Server) -> None:
    handover.prepare(server.settings)
    server.write("not yet")
    new = handover.begin(server.settings)
    assert server.numbers() == [1, 2]
    assert door.busy_workers(new) == 0
    assert {asked() for _ in range(50)} == {"one"}
    handover.finish(server.settings)
    assert server.numbers() == [2]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("NoSuchDirective on\n", "NoSuchDirective"),
        ('LoadModule none_module "/nonexistent.so"\n', "nonexistent.so"),
        ("Listen 192.0.2.1:18555\n", "192.0.2.1:18555"),
    ],
)
def test_a_broken_generation_is_refused(server: Server, more: str, named: str) -> None:
    server.write("broken", more)

    def work() -> None:
        with pytest.raises(GenerationError, match=named) as caught:
            server.hand_over()
        assert str(server.settings.folder / "2") not in str(caught.value)

    assert set(under_requests(work)) == {"one"}
    assert server.numbers() == [1]
    server.write("two")
    server.hand_over()
    assert asked() == "two"


def test_a_handover_without_memory_is_refused_with_figures(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = state.running(server.settings)[0].parent()
    assert parent is not None
    assert memory.available(parent) > 0
    assert memory.needed(parent, {}, {}) > limits.SPARE_BYTES
    monkeypatch.setattr(memory, "available", lambda pid: 1 << 20)
    with pytest.raises(GenerationError, match=r"needs about \d+ MB .* 1 MB are available"):
        server.hand_over()
    assert server.numbers() == [1]
    assert not (server.settings.folder / "2").exists()


def test_what_a_killed_run_leaves_is_completed_or_undone(server: Server) -> None:
    # Killed after the first and the second step: the new generation goes.
    handover.prepare(server.settings)
    handover.settle(server.settings)
    assert not (server.settings.folder / "2").exists()
    handover.prepare(server.settings)
    handover.begin(server.settings)
    assert set(under_requests(lambda: handover.settle(server.settings))) == {"one"}
    assert server.numbers() == [1]
    # Killed after the new one was made live, before it got connections: it gets them, and the former one goes.
    server.write("two")
    handover.prepare(server.settings)
    new = handover.begin(server.settings)
    state.make_live(new)
    assert asked() == "one"
    answers = under_requests(lambda: handover.settle(server.settings))
    assert set(answers) == {"one", "two"}
    assert server.numbers() == [new.number]


def test_the_former_generation_serves_on_if_the_new_one_is_killed(server: Server) -> None:
    server.write("two")
    handover.prepare(server.settings)
    new = handover.begin(server.settings)
    pid = new.parent()
    assert pid is not None
    former = state.running(server.settings)[0]
    with killing_while_leaving(former, pid), pytest.raises(GenerationError, match="serves on"):
        handover.finish(server.settings)
    assert server.numbers() == [1]
    assert {asked() for _ in range(20)} == {"one"}
    server.hand_over()
    assert asked() == "two"


def test_the_live_generation_serves_on_when_its_parent_is_killed(server: Server) -> None:
    """Its workers serve until it runs again. Then they are ended, with the requests that they have."""
    for _ in range(2):
        [live] = state.running(server.settings)
        pid = live.parent()
        assert pid is not None
        workers = processes.children(pid)

        def work(pid: int = pid) -> None:
            kill(pid)
            handover.stopped(server.settings, "signal")
            for _ in range(20):
                assert asked() in ("one", "two")
            handover.clear(server.settings)
            handover.boot(server.settings)
            assert handover.heal(server.settings) == []

        answers = under_requests(work)
        refused = [answer for answer in answers if "Refused" in answer]
        assert refused == []
        assert {worker for worker in workers if processes.command_line(worker)} == set()
        assert [one.parent() != pid for one in state.running(server.settings)] == [True]
        assert handover.orphans(server.settings) == {}
        # The next handover is an ordinary one.
        server.write("two")
        server.hand_over()
        assert asked() == "two"


def test_a_stop_ends_everything(server: Server) -> None:
    handover.prepare(server.settings)
    handover.begin(server.settings)
    first = state.running(server.settings)[0].parent()
    assert first is not None
    kill(first)
    for result in ("signal", "core-dump", "exit-code"):
        handover.stopped(server.settings, result)
        assert handover.orphans(server.settings)
    handover.stopped(server.settings, "success")
    assert server.numbers() == []
    assert handover.orphans(server.settings) == {}


def kill(pid: int) -> None:
    """Kill a process and wait until it has ended, as systemd does before it tells anybody."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: processes.has_ended(pid))


def test_a_start_ends_what_the_live_generation_does_not_need(server: Server) -> None:
    handover.prepare(server.settings)
    new = handover.begin(server.settings).parent()
    first = state.running(server.settings)[0].parent()
    assert first is not None
    assert new is not None
    kill(first)
    handover.clear(server.settings)
    assert processes.command_line(new) == ""
    assert set(handover.orphans(server.settings).values()) == {1}
    assert asked() == "one"
    handover.boot(server.settings)
    handover.heal(server.settings)
    assert server.numbers() == [1]
    assert asked() == "one"


def test_the_workers_of_a_killed_generation_are_ended(server: Server) -> None:
    """They listen on: at the door of the generation after next, they would answer in its place."""
    for _ in range(2):
        former = state.running(server.settings)[-1]
        pid = former.parent()
        assert pid is not None
        workers = processes.children(pid)
        handover.prepare(server.settings)
        handover.begin(server.settings)
        with killing_while_leaving(former, pid):
            handover.finish(server.settings)
        assert {worker for worker in workers if processes.command_line(worker)} == set()
    server.write("two")
    server.hand_over()
    assert {asked() for _ in range(20)} == {"two"}


def test_a_former_parent_that_is_killed_while_its_sockets_are_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    [former] = state.running(server.settings)
    pid = former.parent()
    server.write("two")
    handover.prepare(server.settings)
    handover.begin(server.settings)
    listening_sockets = steering.listening_sockets

    def killed(process: int) -> contextlib.AbstractContextManager[dict[steering.Address, socket.socket]]:
        if process == pid and former.leaving.exists():
            kill(process)
        return listening_sockets(process)

    monkeypatch.setattr(steering, "listening_sockets", killed)
    handover.finish(server.settings)
    assert former.parent() is None
    assert server.numbers() == [2]
    assert {asked() for _ in range(20)} == {"two"}


def test_an_apache_without_generations_is_refused(server: Server) -> None:
    pid = state.running(server.settings)[0].parent()
    assert pid is not None
    assert steering.shares_ports(pid)
    with steering.listening_sockets(pid) as sockets:
        assert set(sockets) == {("127.0.0.1", port) for port in (PORT, DOOR, OWN_DOORS[1])}
        sockets["127.0.0.1", PORT].setsockopt(1, 15, 0)
    assert not steering.shares_ports(pid)
    with pytest.raises(GenerationError, match="was not started as a generation"):
        server.hand_over()


def test_connections_are_those_of_clients(server: Server) -> None:
    client = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    own, asked_at = 0, -float(KEEPALIVE_SECONDS)
    # On a busy machine, Apache may have closed a kept connection before anybody looks.
    while own == 0 and time.monotonic() - asked_at >= KEEPALIVE_SECONDS / 2:
        client.close()
        before, asked_at = connections.to_ports({PORT}), time.monotonic()
        ask(client)
        own = len(connections.to_ports({PORT}) - before)
    assert own == 1
    assert trees.keepalive_seconds(state.running(server.settings)[0]) == KEEPALIVE_SECONDS
    client.close()


def test_the_command_says_what_runs_and_what_is_missing(tmp_path: Path) -> None:
    command = ["ansible_collections.grove.wsgi.plugins.module_utils.generation.command", "--folder", str(tmp_path)]
    done = subprocess.run(
        [shutil.which("python") or "python3", "-m", *command, "status"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "settings.json is missing" in done.stderr


def test_a_copy_is_as_open_as_the_tree(server: Server) -> None:
    """Apache's account reads by its group what it could read, and accounts of applications read nothing more."""
    password_file = server.main.parent / "htpasswd"
    password_file.write_text("person:hash\n")
    shutil.chown(password_file, group="www-data")
    password_file.chmod(0o640)
    loaded.APPLIED.write_text("{}")
    loaded.APPLIED.chmod(0o600)
    server.hand_over()
    [generation] = state.running(server.settings)
    copy = generation.tree / password_file.relative_to(server.settings.layout.root)
    described = (copy.stat().st_mode & 0o777, copy.stat().st_uid, copy.group())
    assert described == (0o640, 0, "www-data")
    assert generation.applied.stat().st_mode & 0o777 == 0o600
    # Nobody else lists the trees, or holds the lock.
    assert server.settings.folder.stat().st_mode & 0o777 == 0o711
    assert (server.root / "lock").stat().st_mode & 0o777 == 0o600
