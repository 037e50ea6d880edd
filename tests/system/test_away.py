"""Whether requests are accepted while a real broker or a real PostgreSQL is there, starts or is away."""

from __future__ import annotations

import importlib.util
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
