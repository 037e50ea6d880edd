"""An agent of which one instance is enough, on three hosts with one real database.

Each host is a process in a UTS namespace of its own, since hosts differ by their names. The agent writes the time again
and again, so that the test sees any moment at which two of them run. All times of the lease are half of the real ones,
and what needs no database for itself happens at the same time.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from grove_runtime import lease, lease_rules, lease_table, processes

WSGI = Path(__file__).resolve().parents[2] / "wsgi"
pytestmark = pytest.mark.debian_packages("mariadb-server", "postgresql")
specification = importlib.util.spec_from_file_location("servers", WSGI / "telemetry" / "tests" / "servers.py")
assert specification
assert specification.loader
servers: Any = importlib.util.module_from_spec(specification)
specification.loader.exec_module(servers)

SCALE = 2
TIMES = {
    name: getattr(lease_rules, name) / SCALE
    for name in ("RENEW_SECONDS", "STOP_SECONDS", "KILL_SECONDS", "LEASE_SECONDS", "RESERVED_SECONDS", "STEADY_SECONDS")
}
LEASE = TIMES["LEASE_SECONDS"]
WATCHDOG = lease_rules.WATCHDOG_SECONDS / SCALE
HOSTS = 100
GOES_ON = 600
"""Moments of 10 ms for which an agent may go on whose host has stood still. On an idle machine, they are a few."""
PATIENCE = 60.0
"""Seconds for what has to happen sometime, on a busy machine."""
STARTER = f"""
import runpy, sys
sys.path.insert(0, {str(WSGI)!r})
from grove_runtime import lease_rules
vars(lease_rules).update({{**{TIMES!r}, "QUERY_SECONDS": {lease_rules.QUERY_SECONDS // SCALE}}})
sys.argv[0] = {str(WSGI / "grove_runtime" / "lease.py")!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
# Writes the time each 10 ms, and starts a process of its own, as an agent with workers does. The words are what the
# agent does: whether it takes no notice of SIGTERM, and after how many seconds it fails.
AGENT = """
import os, signal, socket, sys, time
folder, habit, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
if habit == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = os.fork() == 0
if worker:
    os.setsid()
name = f"{socket.gethostname()}-{os.getpid()}" + ("-worker" if worker else "")
beats = open(f"{folder}/{name}", "a", buffering=1)
end = time.monotonic() + seconds
if address := os.environ.get("NOTIFY_SOCKET"):
    time.sleep(0.3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", "\\0" + address[1:] if address[0] == "@" else address)
while time.monotonic() < end:
    beats.write(f"{time.clock_gettime(time.CLOCK_BOOTTIME)}\\n")
    time.sleep(0.01)
sys.exit(3)
"""


@pytest.fixture(scope="module")
def mariadb() -> Iterator[tuple[str, Any]]:
    (port,) = servers.free_ports(1)
    with servers.mariadb(port) as (url, server):
        yield url, server


@dataclass
class Host:
    """A host: the program, and what systemd does for it, that is to hear its messages and to kill it in time."""

    name: str
    folder: Path
    words: list[str]
    process: subprocess.Popen[bytes] | None = None
    messages: list[str] = field(default_factory=list)
    alive: bool = True
    killed: bool = False

    def start(self) -> None:
        self.alive = True
        self.folder.mkdir(exist_ok=True)
        (self.folder / "lease").unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listening.bind("")
        listening.settimeout(WATCHDOG)
        environment = os.environ | {
            "NOTIFY_SOCKET": "@" + listening.getsockname()[1:].decode(),
            "RUNTIME_DIRECTORY": str(self.folder),
        }
        command = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', self.name, sys.executable, "-c", STARTER]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.words], env=environment, stderr=log)
        threading.Thread(target=self._watch, args=(listening, self.process), daemon=True).start()

    def _watch(self, listening: socket.socket, process: subprocess.Popen[bytes]) -> None:
        """Take the messages. Kill the program and all below it if no message comes for as long as systemd waits."""
        begun, ready = time.monotonic(), False
        while process.poll() is None:
            try:
                lines = listening.recv(4096).decode().split("\n")
            except TimeoutError:
                lines = []
            self.messages += lines
            ready = ready or "READY=1" in lines
            if not ready or "WATCHDOG=1" in lines:
                begun = time.monotonic()
            elif self.alive and process.poll() is None and time.monotonic() - begun > WATCHDOG:
                self.killed = True
                self.kill()
            listening.settimeout(max(0.01, begun + WATCHDOG - time.monotonic()))

    @property
    def state(self) -> list[str]:
        """What the program says: its id, a word, the host that runs the agent, and the agent's id."""
        with contextlib.suppress(OSError):
            return (self.folder / "lease").read_text().split()
        return ["", "", "", ""]

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def send(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the program and all below it, as systemd does with a unit, or a power failure with a host."""
        assert self.process
        below = processes.descendants(self.process.pid)
        for pid in [self.process.pid, *below]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Let the program end, without the watchdog, as systemd does; return its exit code."""
        self.alive = False
        self.send(number)
        assert self.process
        return self.process.wait(PATIENCE)


@dataclass
class Fleet:
    """Three hosts with one agent."""

    folder: Path
    url: str
    hosts: dict[str, Host] = field(default_factory=dict)

    def make(self, *words: str, agent: tuple[str, str] = ("willing", "1000"), names: str = "api1 api2 api3") -> None:
        config = self.folder / "shop.conf"
        config.write_text(f"[database]\nconnection = {self.url}\n")
        (self.folder / "beats").mkdir()
        name = f"shop/{self.folder.name}"
        command = [sys.executable, "-c", AGENT, str(self.folder / "beats"), *agent]
        for host in names.split():
            options = ["--agent", name, "--config", str(config), "--stop-timeout", "5", *words, "--"]
            self.hosts[host] = Host(host, self.folder / host, [*options, *command])

    def holder(self, *hosts: str) -> Host:
        """Wait until the agent works on one of ``hosts``, or any; return it."""
        candidates = [self.hosts[name] for name in hosts or self.hosts]
        until(lambda: any(self._works(host) for host in candidates), self)
        return next(host for host in candidates if self._works(host))

    def _works(self, host: Host) -> bool:
        _, word, _, pid = host.state
        return word == "runs" and f"{host.name}-{pid}" in self.beats()

    def beats(self) -> dict[str, list[float]]:
        """Return when each process of an agent has run, by the host's name and the process's id."""
        moments = {}
        for path in (self.folder / "beats").iterdir():
            # The last line may not be complete.
            if lines := path.read_text().split("\n")[:-1]:
                moments[path.name] = [float(line) for line in lines]
        return moments

    def doubles(self) -> int:
        """Return how many of all moments, which are 10 ms apart, belong to an agent while one of another host runs."""
        beats, count = self.beats(), 0
        for one, moments in beats.items():
            for other, others in beats.items():
                if one.partition("-")[0] != other.partition("-")[0]:
                    count += sum(others[0] <= moment <= others[-1] for moment in moments)
        return count

    def count(self) -> int:
        """Return how many agents have run. On a busy machine, an agent may end before its own process has begun."""
        return sum(not name.endswith("-worker") for name in self.beats())


def until(condition: Callable[[], object], fleet: Fleet) -> None:
    """Wait for a condition."""
    end = time.monotonic() + PATIENCE
    while not condition():
        logs = {name: (host.state, host.log) for name, host in fleet.hosts.items() if host.process}
        assert time.monotonic() < end, logs
        time.sleep(0.02)


@contextlib.contextmanager
def fleet_in(folder: Path, url: str) -> Iterator[Fleet]:
    """A fleet whose hosts end with the block."""
    folder.mkdir(exist_ok=True)
    made = Fleet(folder, url)
    try:
        yield made
    finally:
        for host in made.hosts.values():
            if host.process:
                with contextlib.suppress(ProcessLookupError):
                    host.send(signal.SIGCONT)
                host.kill()
                host.process.wait()


@pytest.fixture
def fleet(tmp_path: Path, mariadb: tuple[str, Any]) -> Iterator[Fleet]:
    with fleet_in(tmp_path, mariadb[0]) as made:
        yield made


def one_of_three_hosts_runs_the_agent_and_another_one_follows_when_it_is_killed(fleet: Fleet) -> None:
    fleet.make()
    for host in fleet.hosts.values():
        host.start()
    first = fleet.holder()
    others = [name for name in fleet.hosts if name != first.name]
    until(lambda: all(fleet.hosts[name].state[1:3] == ["waits", first.name] for name in others), fleet)
    assert f"STATUS=waits; {first.name} runs the agent" in fleet.hosts[others[0]].messages
    assert all("READY=1" in host.messages for host in fleet.hosts.values())
    # The whole host: the kernel kills nothing for a program that is gone.
    begun = time.monotonic()
    first.kill()
    second = fleet.holder(*others)
    assert time.monotonic() - begun > LEASE - TIMES["RENEW_SECONDS"] - 1
    # The program alone: the agent's first process ends with it, and systemd ends the others.
    third = next(name for name in others if name != second.name)
    second.send(signal.SIGKILL)
    until(lambda: not Path(f"/proc/{second.state[3]}").exists(), fleet)
    for name in fleet.beats():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(name.split("-")[1]), signal.SIGKILL)
    assert fleet.holder(third).name == third
    assert fleet.doubles() == 0
    assert fleet.count() == 3


def a_host_that_stops_gives_the_agent_away_at_once(fleet: Fleet, habit: str = "willing") -> None:
    fleet.make("--notify", agent=(habit, "1000"))
    for name in ("api1", "api2"):
        fleet.hosts[name].start()
    first = fleet.holder()
    second = next(name for name in ("api1", "api2") if name != first.name)
    begun = time.monotonic()
    assert first.stop() == 0
    ended = time.monotonic()
    assert fleet.holder(second)
    # A stubborn agent is killed after five seconds, and the lease is renewed meanwhile.
    assert (ended - begun > 4.9) == (habit == "stubborn")
    assert time.monotonic() - ended < LEASE - TIMES["RENEW_SECONDS"]
    # The word comes after the agent has told that it is ready.
    assert fleet.hosts[second].messages.count("STATUS=starts the agent") == 1
    assert fleet.doubles() == 0


def a_deployment_keeps_the_agent_on_its_host(fleet: Fleet) -> None:
    fleet.make()
    fleet.hosts["api1"].start()
    fleet.holder()
    fleet.hosts["api2"].start()
    until(lambda: fleet.hosts["api2"].state[1] == "waits", fleet)
    fleet.hosts["api1"].send(signal.SIGUSR1)
    time.sleep(0.2)
    assert fleet.hosts["api1"].stop() == 0
    fleet.hosts["api1"].start()
    fleet.holder("api1")
    assert (fleet.doubles(), fleet.count()) == (0, 2)
    # It does not come back in time.
    fleet.hosts["api1"].send(signal.SIGUSR1)
    time.sleep(0.2)
    fleet.hosts["api1"].stop()
    fleet.holder("api2")
    assert fleet.doubles() == 0


def an_agent_that_fails_moves_after_three_attempts(fleet: Fleet) -> None:
    fleet.make(agent=("willing", "0.1"))
    fleet.hosts["api1"].start()
    fleet.hosts["api2"].words[-1] = "1000"
    for attempt in (1, 2, 3):
        process = fleet.hosts["api1"].process
        assert process
        assert process.wait(PATIENCE) == 1
        assert fleet.hosts["api1"].log.count("the agent has ended by itself with status 3") == attempt
        if attempt < 3:
            fleet.hosts["api1"].start()
    # On a busy machine, the first host might not come back before its time is over.
    fleet.hosts["api2"].start()
    fleet.holder("api2")
    assert "with status 3; another host may run it" in fleet.hosts["api1"].log
    assert fleet.doubles() == 0


def a_program_that_stands_still_is_killed_with_its_agent_before_another_host_follows(fleet: Fleet) -> None:
    fleet.make()
    for host in fleet.hosts.values():
        host.start()
    first = fleet.holder()
    first.send(signal.SIGSTOP)
    others = [name for name in fleet.hosts if name != first.name]
    fleet.holder(*others)
    assert first.killed
    assert fleet.doubles() == 0


def a_host_that_stood_still_as_a_whole_ends_its_agent_when_it_goes_on(fleet: Fleet) -> None:
    """Its systemd stands still, too, so nothing on the host can end the agent before it goes on for a moment."""
    fleet.make()
    for host in fleet.hosts.values():
        host.start()
    first = fleet.holder()
    assert first.process
    # systemd stands still, too.
    first.alive = False
    frozen = [first.process.pid, *processes.descendants(first.process.pid)]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    fleet.holder(*(name for name in fleet.hosts if name != first.name))
    assert fleet.doubles() == 0
    for pid in reversed(frozen):
        os.kill(pid, signal.SIGCONT)
    until(lambda: first.state[1] == "waits", fleet)
    # Each agent is two processes, and the program that ends them wakes up last.
    assert 0 <= fleet.doubles() < 2 * GOES_ON
    doubles = fleet.doubles()
    time.sleep(0.3)
    assert fleet.doubles() == doubles


def hosts_that_start_at_the_same_moment(fleet: Fleet) -> None:
    fleet.make()
    for host in fleet.hosts.values():
        host.start()
    fleet.holder()
    until(lambda: sorted(host.state[1] for host in fleet.hosts.values()) == ["runs", "waits", "waits"], fleet)
    assert (fleet.doubles(), fleet.count()) == (0, 1)


def a_host_that_stops_kills_an_agent_that_does_not_end(fleet: Fleet) -> None:
    a_host_that_stops_gives_the_agent_away_at_once(fleet, "stubborn")


AT_THE_SAME_TIME = (
    one_of_three_hosts_runs_the_agent_and_another_one_follows_when_it_is_killed,
    a_host_that_stops_gives_the_agent_away_at_once,
    a_host_that_stops_kills_an_agent_that_does_not_end,
    a_deployment_keeps_the_agent_on_its_host,
    an_agent_that_fails_moves_after_three_attempts,
    a_program_that_stands_still_is_killed_with_its_agent_before_another_host_follows,
    a_host_that_stood_still_as_a_whole_ends_its_agent_when_it_goes_on,
    hosts_that_start_at_the_same_moment,
)


@pytest.fixture(scope="module")
def outcomes(mariadb: tuple[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """What has come of each, by its name. Most of the time, they wait."""

    def happen(what: Callable[[Fleet], None]) -> None:
        with fleet_in(tmp_path_factory.mktemp("fleet") / what.__name__[:50], mariadb[0]) as fleet:
            what(fleet)

    with ThreadPoolExecutor(len(AT_THE_SAME_TIME)) as pool:
        yield {one.__name__: pool.submit(happen, one) for one in AT_THE_SAME_TIME}


@pytest.mark.parametrize("name", [one.__name__ for one in AT_THE_SAME_TIME])
def test_what_becomes_of_an_agent_when(outcomes: dict[str, Future[None]], name: str) -> None:
    outcomes[name].result()


def test_the_agent_stops_without_its_database_and_goes_on_with_it(fleet: Fleet, mariadb: tuple[str, Any]) -> None:
    fleet.make()
    for host in fleet.hosts.values():
        host.start()
    first = fleet.holder()
    _, server = mariadb
    # A restart is no reason to stop.
    server.stop()
    server.start()
    until(lambda: "cannot be used" in first.log, fleet)
    time.sleep(2 * TIMES["RENEW_SECONDS"] + lease.RETRY_SECONDS)
    assert fleet.holder().name == first.name
    assert fleet.count() == 1
    # A server that accepts connections and answers nothing is away, too.
    os.kill(server.pid, signal.SIGSTOP)
    until(lambda: "the agent has ended" in first.log, fleet)
    assert all(host.state[1] != "runs" for host in fleet.hosts.values())
    until(lambda: all(host.state[1] == "away" for host in fleet.hosts.values()), fleet)
    os.kill(server.pid, signal.SIGCONT)
    # The host that had the row has it still: for the others, its time begins with their new connections.
    assert fleet.holder().name == first.name
    assert (fleet.doubles(), fleet.count()) == (0, 2)
    assert not any(host.killed for host in fleet.hosts.values())


@pytest.fixture(params=["mariadb", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "mariadb":
        yield request.getfixturevalue("mariadb")[0]
        return
    with servers.postgresql() as (url, _):
        yield url


class NotingTable(lease_table.Table):
    """A row whose takers are noted after they have it, and those that give it back before they do."""

    number = 0
    noted: ClassVar[list[tuple[str, int]]] = []

    def take(self, row: lease_rules.Row, holder: str, host: str, failures: int) -> bool:
        done = super().take(row, holder, host, failures)
        if done:
            self.noted.append(("take", self.number))
        return done

    def give_back(self, holder: str, state: str, failures: int) -> bool:
        if self.noted and self.noted[-1] == ("take", self.number):
            self.noted.append(("back", self.number))
        return super().give_back(holder, state, failures)


def test_of_a_hundred_hosts_one_has_the_row(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is a thread with a connection of its own. The one that has the row gives it back, twenty times."""
    for name in ("RENEW_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(lease, name, 0.1)
    events: queue.SimpleQueue[tuple[int, lease.Event]] = queue.SimpleQueue()

    def reporter(number: int) -> Callable[[lease.Event], None]:
        return lambda event: events.put((number, event))

    NotingTable.noted.clear()
    tables = [NotingTable(lambda: database, "shop/hundred") for _ in range(HOSTS)]
    keepers = []
    for number, table in enumerate(tables):
        table.number = number
        keepers.append(lease.Keeper(table, f"api{number}", reporter(number)))
    for keeper in keepers:
        keeper.start()
    held: list[int] = []
    while len(held) < 20:
        number, event = events.get(timeout=PATIENCE)
        if isinstance(event, lease.Renewed) and number not in held:
            held.append(number)
            keepers[number].give_back(lease_rules.FREE, 0)
    for keeper in keepers:
        keeper.give_back(lease_rules.FREE, 0)
    for keeper in keepers:
        keeper.join()
    for table in tables:
        table.close()
    takers = [number for word, number in NotingTable.noted if word == "take"]
    assert len(takers) >= 20
    assert NotingTable.noted == [pair for number in takers for pair in (("take", number), ("back", number))]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:////tmp/none.sqlite", "a database of sqlite cannot be shared by several hosts"),
        ("mysql://nobody:secret@127.0.0.1:1/shop", "Connection refused"),
        ("", "has no option database/connection"),
    ],
)
def test_what_the_program_says_of_a_database_that_cannot_be_used(tmp_path: Path, url: str, expected: str) -> None:
    with fleet_in(tmp_path, url) as fleet:
        fleet.make(names="api1")
        host = fleet.hosts["api1"]
        host.start()
        until(lambda: expected in host.log, fleet)
        assert "secret" not in host.log
        until(lambda: host.state[1] == "away", fleet)
        assert host.stop() == 0
