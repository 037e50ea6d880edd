"""Posted samples through RabbitMQ to telemetry-collector, and what ceilometer's agents send."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kombu.connection
import oslo_messaging
import pytest
import webtest
from telemetry import signing
from telemetry.api.app import VersionSelector, make_v2
from telemetry.messaging import bus
from telemetry.storage.stores import Stores

from tests import servers
from tests.conftest import configuration
from tests.functional.calls import ADMIN, fault, sample

SECRET = "change this for valid signing"


@pytest.fixture(scope="session")
def rabbit() -> Iterator[tuple[str, servers.Server]]:
    try:
        running = servers.rabbitmq()
        url_and_server = running.__enter__()
    except servers.MissingError as error:
        pytest.skip(f"RabbitMQ: {error}")
    yield url_and_server
    running.__exit__(None, None, None)


class Collector:
    """A telemetry-collector process."""

    def __init__(self, folder: Path, url: str, transport: str) -> None:
        self.folder = folder
        (folder / "telemetry.conf").write_text(
            f"[DEFAULT]\ntransport_url = {transport}\n[database]\nconnection = {url}\n"
            "[collector]\nbatch_timeout = 0.1\nrequeue_delay = 0.5\n"
            "[oslo_messaging_rabbit]\nheartbeat_timeout_threshold = 0\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "telemetry.cmd.collector", "--config-file", str(self.folder / "telemetry.conf")],
                stdout=log,
                stderr=log,
            )

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> int | None:
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@pytest.fixture
def collector(clean: str, tmp_path: Path, rabbit: tuple[str, servers.Server]) -> Iterator[Collector]:
    collector = Collector(tmp_path, clean, rabbit[0])
    yield collector
    if collector.process is not None and collector.process.poll() is None:
        collector.stop()


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def count(api: webtest.TestApp) -> int:
    return sum(row["count"] for row in api.get("/v2/meters/cpu/statistics").json)


def notifier(transport: str, topic: str) -> oslo_messaging.Notifier:
    conf = bus.configuration(configuration("log://"))
    return oslo_messaging.Notifier(
        oslo_messaging.get_notification_transport(conf, transport),
        driver="messagingv2",
        publisher_id="agent",
        topics=[topic],
    )


def message(number: int, **members: Any) -> dict[str, Any]:
    message = {
        "source": "openstack",
        "counter_name": "cpu",
        "counter_type": "cumulative",
        "counter_unit": "ns",
        "counter_volume": number,
        "user_id": "u",
        "user_name": None,
        "project_id": "p",
        "project_name": None,
        "resource_id": f"r{number}",
        "timestamp": "2026-01-01T00:00:00.5+00:00",
        "resource_metadata": {"flavor": {"vcpus": 2}, "tags": ["a", {"b": 1}]},
        "message_id": f"agent-{number}",
        "monotonic_time": None,
        **members,
    }
    message.setdefault("message_signature", signing.sign(message, SECRET))
    return message


def test_posted_samples_are_collected(make_api: Any, rabbit: tuple[str, Any], collector: Collector) -> None:
    api = make_api(transport_url=rabbit[0])
    collector.start()
    wait_for(lambda: "Collecting from" in collector.log())
    answer = api.post_json("/v2/meters/cpu", [sample(resource_metadata={"a.b": "c"}), sample()], status=201).json
    wait_for(lambda: count(api) == 2)
    rows = {row["id"]: row for row in api.get("/v2/samples").json}
    assert set(rows) == {one["message_id"] for one in answer}
    assert rows[answer[0]["message_id"]]["metadata"] == {"a.b": "c"}
    assert rows[answer[0]["message_id"]]["source"] == "p1:openstack"
    assert api.post_json("/v2/meters/cpu?direct=true", [sample()], status=201)
    assert count(api) == 3
    assert collector.stop() == 0


def test_samples_and_events_of_agents(make_api: Any, rabbit: tuple[str, Any], collector: Collector) -> None:
    api = make_api()
    collector.start()
    wait_for(lambda: "Collecting from" in collector.log())
    agent = notifier(rabbit[0], "metering")
    agent.sample({}, "metering", [message(1), message(2), message(3, message_signature="forged")])
    agent.sample({}, "telemetry.polling", {"samples": [message(2), message(4), message(5, counter_type="bad")]})
    event = {
        "message_id": "e1",
        "event_type": "image.create",
        "generated": "2026-01-01T00:00:00.000000",
        "traits": [["name", 1, "img"], ["size", 2, 5], ["ratio", 3, 0.5], ["at", 4, "2026-01-01T00:00:00"]],
        "raw": {},
    }
    event["message_signature"] = signing.sign(event, SECRET)
    notifier(rabbit[0], "event").sample({}, "event", [event])
    wait_for(lambda: count(api) == 3)
    wait_for(lambda: api.get("/v2/event_types").json == ["image.create"])
    assert {row["resource_id"] for row in api.get("/v2/samples").json} == {"r1", "r2", "r4"}
    assert len(api.get("/v2/samples?q.field=metadata.flavor.vcpus&q.value=2").json) == 3
    assert [trait["value"] for trait in api.get("/v2/events/e1", headers=ADMIN).json["traits"]] == [
        "2026-01-01T00:00:00",
        "img",
        "0.5",
        "5",
    ]
    assert "wrong signature" in collector.log()
    assert "The counter type must be" in collector.log()


def test_nothing_is_lost_while_an_sqlite_file_is_away(tmp_path: Path, rabbit: tuple[str, servers.Server]) -> None:
    path = tmp_path / "telemetry.sqlite"
    lost_nothing(
        tmp_path,
        f"sqlite:///{path}",
        rabbit[0],
        leave=lambda: path.rename(path.with_suffix(".away")),
        come=lambda: path.with_suffix(".away").rename(path),
    )


def test_nothing_is_lost_while_a_database_server_is_away(
    tmp_path: Path, rabbit: tuple[str, servers.Server], restarted: tuple[str, servers.Server]
) -> None:
    url, server = restarted
    lost_nothing(tmp_path, url, rabbit[0], leave=lambda: server.stop(signal.SIGKILL), come=server.start)


def lost_nothing(folder: Path, url: str, transport: str, leave: Callable[[], Any], come: Callable[[], Any]) -> None:
    with collecting(folder, url, transport) as (api, collector):
        leave()
        notifier(transport, "metering").sample({}, "metering", [message(1)])
        wait_for(lambda: "return to the queue" in collector.log())
        come()
        wait_for(lambda: count(api) == 1)


@contextmanager
def collecting(folder: Path, url: str, transport: str) -> Iterator[tuple[webtest.TestApp, Collector]]:
    """An application and a collector on a database of the test's own."""
    conf = configuration(url, transport_url=transport, publisher_notifier__retry=1)
    stores = Stores(conf)
    for driver in stores.all:
        driver.upgrade()
    collector = Collector(folder, url, transport)
    collector.start()
    try:
        wait_for(lambda: "Collecting from" in collector.log())
        yield webtest.TestApp(VersionSelector(make_v2(conf, stores))), collector
    finally:
        collector.stop()
        stores.close()


def test_bus_that_goes_away_and_comes_back(tmp_path: Path, rabbit: tuple[str, servers.Server]) -> None:
    transport, server = rabbit
    with collecting(tmp_path, f"sqlite:///{tmp_path}/telemetry.sqlite", transport) as (api, _):
        api.post_json("/v2/meters/cpu", [sample()], status=201)
        wait_for(lambda: count(api) == 1)
        server.stop()
        try:
            assert fault(api.post_json("/v2/meters/cpu", [sample()], status=503)) == "The message bus does not answer"
        finally:
            server.start()
        wait_for(lambda: api.post_json("/v2/meters/cpu", [sample()], expect_errors=True).status_int == 201)
        wait_for(lambda: count(api) >= 2)


def test_bus_away(make_api: Any) -> None:
    (port,) = servers.free_ports(1)
    api = make_api(transport_url=f"rabbit://guest:guest@127.0.0.1:{port}/", publisher_notifier__retry=1)
    # Without a time limit, this request would not end.
    answer = api.post_json("/v2/meters/cpu", [sample()], status=503)
    assert fault(answer) == "The message bus does not answer"
    assert answer.headers["Retry-After"] == "5"
    api.post_json("/v2/meters/cpu?direct=true", [sample()], status=201)


def test_collector_needs_a_bus_and_a_schema(tmp_path: Path) -> None:
    config = tmp_path / "telemetry.conf"
    for text, reason in (
        ("", "set [DEFAULT] transport_url"),
        ("[DEFAULT]\ntransport_url = rabbit://127.0.0.1/\n", "Run: telemetry-upgrade"),
    ):
        config.write_text(f"{text}[database]\nconnection = sqlite:///{tmp_path}/x.sqlite\n")
        ended = subprocess.run(
            [sys.executable, "-m", "telemetry.cmd.collector", "--config-file", str(config)],
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
            env={**os.environ},
        )
        assert ended.returncode == 1
        assert reason in ended.stderr


def test_wire_form(make_api: Any, rabbit: tuple[str, Any]) -> None:
    """The notification as a consumer of Ceilometer's would find it in the queue."""
    api = make_api(transport_url=rabbit[0], publisher_notifier__topics=["wire"])
    bus_url = rabbit[0].replace("rabbit://", "amqp://")
    with kombu.connection.Connection(bus_url) as connection:  # type: ignore[no-untyped-call]
        queue = connection.SimpleQueue("wire.sample", queue_opts={"durable": False}, exchange_opts={"durable": False})
        api.post_json("/v2/meters/cpu", [sample()], headers=ADMIN, status=201)
        received = queue.get(timeout=120)
        received.ack()
        queue.close()
    body = received.payload
    inner = json.loads(body["oslo.message"]) if "oslo.message" in body else body
    assert inner["event_type"] == "telemetry.api"
    (posted,) = inner["payload"]["samples"]
    assert signing.is_signed(posted, SECRET)
    assert inner["_context_user" if "_context_user" in inner else "event_type"]
    assert posted["monotonic_time"] is None


def test_changes_of_the_evaluator(make_api: Any, clean: str, tmp_path: Path, rabbit: tuple[str, Any]) -> None:
    """telemetry-evaluator announces a change of state, as the API does."""
    (tmp_path / "telemetry.conf").write_text(
        f"[DEFAULT]\ntransport_url = {rabbit[0]}\n[database]\nconnection = {clean}\n[alarm]\nevaluation_interval = 1\n"
        "[publisher_notifier]\ntopics = evaluated\n"
    )
    api = make_api()
    rule = {"meter_name": "cpu", "threshold": 1, "comparison_operator": "gt", "period": 86400}
    body = {"name": "a", "type": "threshold", "threshold_rule": rule}
    alarm_id = api.post_json("/v2/alarms", body, headers=ADMIN, status=201).json["alarm_id"]
    one = sample(counter_volume=2)
    del one["timestamp"]
    api.post_json("/v2/meters/cpu?direct=true", [one], status=201)
    command = [sys.executable, "-m", "telemetry.cmd.evaluator", "--config-file", str(tmp_path / "telemetry.conf")]
    bus_url = rabbit[0].replace("rabbit://", "amqp://")
    with (
        open(tmp_path / "log", "wb") as log,
        kombu.connection.Connection(bus_url) as connection,  # type: ignore[no-untyped-call]
    ):
        queue = connection.SimpleQueue(
            "evaluated.info", queue_opts={"durable": False}, exchange_opts={"durable": False}
        )
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            received = queue.get(timeout=240)
            received.ack()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
            queue.close()
    message = json.loads(received.payload["oslo.message"])
    assert message["event_type"] == "alarm.state_transition"
    assert message["payload"]["alarm_id"] == alarm_id
    assert message["payload"]["detail"]["state"] == "alarm"
    assert message["payload"]["on_behalf_of"] == "admin-project"
