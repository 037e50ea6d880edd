"""Whether requests are accepted while a real broker or a real PostgreSQL is there, starts or is away.

And what agents do while a real database is away.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "wsgi"))
from grove_runtime import away

WSGI = Path(__file__).resolve().parents[2] / "wsgi"
pytestmark = pytest.mark.debian_packages("rabbitmq-server")
FORKING = WSGI / "grove_runtime" / "forking.py"
# An agent that uses its database, and uses it again when it is told to, while something else goes on. It runs with
# threads of the kernel or of eventlet, as those of OpenStack do.
AGENT = """#!{python}
import sys
if sys.argv[2] == "eventlet":
    import warnings
    warnings.simplefilter("ignore")
    import eventlet
    eventlet.monkey_patch()
import threading, time
import sqlalchemy
from oslo_db.sqlalchemy import engines

def use():
    with engine.connect() as connection:
        return connection.scalar(sqlalchemy.text("SELECT 42"))

def work():
    try:
        print("result", use(), flush=True)
    except Exception as error:
        print("failed", type(error).__name__, flush=True)

engine = engines.create_engine(sys.argv[1])
print("used", use(), flush=True)
sys.stdin.readline()
worker = threading.Thread(target=work)
worker.start()
turns = 0
while worker.is_alive():
    time.sleep(0.1)
    turns += 1
    if turns == 20:
        print("goes on", flush=True)
"""
specification = importlib.util.spec_from_file_location("servers", WSGI / "telemetry" / "tests" / "servers.py")
assert specification
assert specification.loader
servers: Any = importlib.util.module_from_spec(specification)
specification.loader.exec_module(servers)


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[away.Node, Any]]:
    """A broker, and the server that tests stop and start."""
    with servers.rabbitmq() as (url, server):
        yield away.nodes(url)[0], server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(away, "PAUSE", 0.1)
    monkeypatch.setattr(away, "SETTLE_SECONDS", 0.5)
    # On a busy machine, a server that is there answers late.
    for name in ("CONNECT_SECONDS", "FIRST_SECONDS", "HEARTBEAT"):
        monkeypatch.setattr(away, name, 120)


class Consumer:
    """A program that takes the messages of a queue until it is stopped."""

    def __init__(self, node: away.Node, queue: str) -> None:
        self._connection = amqp.Connection(host=node.address, userid=node.user, password=node.password)
        self._connection.connect()
        channel = self._connection.channel()
        arguments = {"x-queue-type": "quorum"}
        channel.queue_declare(queue=queue, durable=True, auto_delete=False, arguments=arguments)
        channel.basic_consume(queue=queue, no_ack=True, callback=lambda message: None)

    def stop(self) -> None:
        self._connection.close()


def until(watch: away.Watch, ready: bool) -> None:
    """Wait until the watch is ready, or is not."""
    deadline = time.monotonic() + 120
    while watch.ready is not ready:
        assert time.monotonic() < deadline, watch.reason
        time.sleep(0.02)


def test_requests_are_accepted_once_each_queue_has_had_a_consumer(broker: tuple[away.Node, Any]) -> None:
    node, server = broker
    watch = away.Watch((node,), ("conductor", "scheduler"))
    watch.start()
    assert watch.wait() is False
    assert "conductor" in watch.reason
    # The connections of the consumers end with the broker.
    kept = [Consumer(node, "conductor")]
    begun = time.monotonic()
    second = Consumer(node, "scheduler")
    until(watch, True)
    # Agents that have just come first report that they are up.
    assert time.monotonic() - begun >= away.SETTLE_SECONDS
    # The restart of an agent refuses nothing: the queue keeps the messages.
    second.stop()
    time.sleep(0.5)
    assert watch.ready
    # A new process finds the agents there, and accepts at once.
    kept.append(Consumer(node, "scheduler"))
    fresh = away.Watch((node,), ("conductor", "scheduler"))
    fresh.start()
    assert fresh.wait() is True
    server.stop()
    until(watch, False)
    assert "is away" in watch.reason
    until(fresh, False)
    server.start()
    # The queues are there again, and nobody takes their messages.
    deadline = time.monotonic() + 120
    while "no agent takes messages" not in watch.reason:
        assert time.monotonic() < deadline, watch.reason
        time.sleep(0.05)
    consumers = [Consumer(node, "conductor"), Consumer(node, "scheduler")]
    until(watch, True)
    for consumer in consumers:
        consumer.stop()


def test_a_broker_that_refuses_the_account_is_away(broker: tuple[away.Node, Any]) -> None:
    node, _ = broker
    wrong = away.Node(node.host, node.port, node.user, "wrong", node.vhost)
    watch = away.Watch((wrong,))
    watch.start()
    assert watch.wait() is False
    assert "wrong" not in watch.reason


def test_another_node_is_used_when_one_is_away(broker: tuple[away.Node, Any]) -> None:
    node, _ = broker
    gone = away.Node("127.0.0.1", 9, node.user, node.password, node.vhost)
    watch = away.Watch((gone, node))
    watch.start()
    until(watch, True)


@pytest.fixture
def postgresql() -> Iterator[tuple[away.Database, Any, Path]]:
    """A PostgreSQL that asks for passwords, the server that tests stop and start, and its folder of data."""
    binary, initdb = servers.find("postgres"), servers.find("initdb")
    folder = servers._folder("postgres")
    [port] = servers.free_ports(1)
    try:
        words = [initdb, "-D", folder / "data", "-U", "owner", "-A", "trust", "--auth-host=scram-sha-256", "-N"]
        subprocess.run(words, check=True, capture_output=True, preexec_fn=servers._account("postgres"), cwd=folder)
        database = away.Database("127.0.0.1", port, "owner", "postgres")
        command = [binary, "-D", f"{folder}/data", "-k", str(folder), "-h", database.host, "-p", str(port)]
        command += ["-c", "fsync=off", "-c", "hot_standby=off"]
        server = servers.Server(command, "postgres", folder, servers._listens(port))
        try:
            yield database, server, folder / "data"
        finally:
            server.stop(signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.debian_packages("postgresql")
def test_a_postgresql_that_starts_or_recovers_is_away(postgresql: tuple[away.Database, Any, Path]) -> None:
    database, server, data = postgresql
    assert database.is_away() is True
    server.start()
    deadline = time.monotonic() + 120
    while database.is_away():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # It refuses the account, so it is there.
    assert away.Database(database.host, database.port, "stranger", "nowhere").is_away() is False
    server.stop(signal.SIGINT)
    # A server that waits for more to recover accepts connections, and refuses each with an error.
    (data / "standby.signal").touch()
    server.start()
    assert away.Database(database.host, database.port).is_away() is False
    assert database.is_away() is True
    assert away.Servers(databases=(database,)).missing_database() == f"127.0.0.1:{database.port}"


@pytest.fixture(params=["mariadb", "postgresql"])
def used_database(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any, int]]:
    """The URL of a database, its server, which runs, and the signal that stops the server."""
    if request.param == "mariadb":
        with servers.mariadb(servers.free_ports(1)[0]) as (url, server):
            yield url.replace("mysql:", "mysql+pymysql:"), server, signal.SIGTERM
    else:
        database, server, data = request.getfixturevalue("postgresql")
        server.start()
        set_password(database, data.parent)
        yield f"postgresql+psycopg2://owner:right@127.0.0.1:{database.port}/postgres", server, signal.SIGINT


def set_password(database: away.Database, folder: Path) -> None:
    """Give a password to the owner of a PostgreSQL, whose socket in ``folder`` lets everybody in."""
    words = ["-h", str(folder), "-p", str(database.port), "-U", database.account, "-d", database.name]
    command = [servers.find("psql"), *words, "-c", "ALTER ROLE owner PASSWORD 'right'"]
    deadline = time.monotonic() + 120
    while subprocess.run(command, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def agent(folder: Path, url: str, threads: str, *, waiting: bool = True) -> subprocess.Popen[str]:
    """Start the agent, as Grove's units do or by itself."""
    program = folder / "agent"
    program.write_text(AGENT.replace("{python}", sys.executable))
    program.chmod(0o755)
    command = [sys.executable, str(FORKING), str(program)] if waiting else [str(program)]
    pipe = subprocess.PIPE
    return subprocess.Popen([*command, url, threads], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """Return what a program prints, up to a line with ``text``, or up to its end."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or text not in lines[-1]:
        line = process.stdout.readline()
        if not line:
            break
        lines.append(line.strip())
    return lines


def tell(process: subprocess.Popen[str]) -> None:
    """Let the agent go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.debian_packages("mariadb-server", "postgresql")
@pytest.mark.parametrize("threads", ["kernel", "eventlet"])
def test_an_agent_waits_for_its_database(tmp_path: Path, used_database: tuple[str, Any, int], threads: str) -> None:
    url, server, stop = used_database
    with agent(tmp_path, url, threads) as process:
        assert read_until(process, "used")[-1] == "used 42"
        server.stop(stop)
        tell(process)
        assert "is away; what needs it waits" in read_until(process, "away")[-1]
        assert read_until(process, "goes on")[-1] == "goes on"
        server.start()
        lines = read_until(process, "result")
        assert lines[-1] == "result 42", lines
        assert [line for line in lines if "is back" in line], lines
    assert process.returncode == 0


@pytest.mark.debian_packages("mariadb-server", "postgresql")
def test_a_program_that_does_not_wait_fails_without_its_database(
    tmp_path: Path, used_database: tuple[str, Any, int]
) -> None:
    url, server, stop = used_database
    with agent(tmp_path, url, "kernel", waiting=False) as process:
        assert read_until(process, "used")[-1] == "used 42"
        server.stop(stop)
        tell(process)
        # oslo.db gives its own error for MariaDB alone.
        assert read_until(process, "failed")[-1] in ("failed DBConnectionError", "failed OperationalError")


@pytest.mark.debian_packages("mariadb-server", "postgresql")
def test_an_agent_does_not_wait_for_a_database_that_refuses_its_account(
    tmp_path: Path, used_database: tuple[str, Any, int]
) -> None:
    url, _, _ = used_database
    wrong = url.replace("root@", "root:wrong@").replace(":right@", ":wrong@")
    with agent(tmp_path, wrong, "kernel") as process:
        lines = read_until(process, "no such line")
    assert process.returncode != 0
    assert re.search("Access denied|password authentication failed", "\n".join(lines))
    assert "is away" not in "\n".join(lines)
