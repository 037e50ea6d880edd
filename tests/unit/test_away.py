"""What an application answers while its servers are away. tests/system/test_away.py has a real broker."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "wsgi"))
from grove_runtime import away


@contextlib.contextmanager
def listening() -> Iterator[away.Database]:
    """Yield a database that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield away.Database(*server.getsockname()[:2])


@pytest.fixture
def nowhere() -> away.Database:
    """Return a database that accepts no connection."""
    with listening() as database:
        return database


class Answer:
    """What an application answers to a request."""

    def __init__(self, application: Any, method: str = "GET") -> None:
        self.starts: list[tuple[str, dict[str, str]]] = []
        body: Iterable[bytes] = application({"REQUEST_METHOD": method}, self._start)
        self.body = b"".join(body)
        if hasattr(body, "close"):
            body.close()
        [(self.status, self.headers)] = self.starts

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.starts.append((status, dict(headers)))


def application(status: str) -> Any:
    def answers(environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", "4")])
        return [b"text"]

    return answers


def lazy(status: str) -> Any:
    def answers(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(status, [("Content-Type", "text/plain")])
        yield b"te"
        yield b"xt"

    return answers


def raising(environ: Any, start_response: Any) -> list[bytes]:
    raise ValueError("the application's own error")


def test_an_error_is_503_when_the_database_is_away(nowhere: away.Database) -> None:
    needed = away.Servers(databases=(nowhere,))
    for failing in (application("500 Internal Server Error"), lazy("500 Internal Server Error"), raising):
        answer = Answer(away.guard(failing, needed, None))
        assert answer.status.startswith("503")
        assert int(answer.headers["Retry-After"]) > 0
        error = json.loads(answer.body)["error"]
        assert (error["code"], error["message"]) == (503, "the database is away")
        assert answer.headers["Content-Length"] == str(len(answer.body))


def test_an_error_is_503_when_keystone_is_away(nowhere: away.Database) -> None:
    """Changes are accepted again at once: no agent reports to keystone."""
    with listening() as database:
        needed = away.Servers(databases=(database,), keystone=(away.Server(nowhere.host, nowhere.port),))
        watch = away.Watch(broker=(), ready=True)
        watch._known.set()
        statuses = iter(["500 Internal Server Error", "202 Accepted"])
        guarded = away.guard(lambda environ, start: application(next(statuses))(environ, start), needed, watch)
        answer = Answer(guarded, "POST")
        assert answer.status.startswith("503")
        assert int(answer.headers["Retry-After"]) > 0
        assert json.loads(answer.body)["error"]["message"] == "keystone is away"
        assert Answer(guarded, "POST").status == "202 Accepted"
        there = away.Servers(keystone=(away.Server(database.host, database.port),))
        assert Answer(away.guard(application("500 Internal Server Error"), there, None)).status.startswith("500")


def test_an_error_stays_what_it_is_when_the_database_is_there() -> None:
    with listening() as database:
        needed = away.Servers(databases=(database,))
        for failing in (application("500 Internal Server Error"), lazy("500 Internal Server Error")):
            answer = Answer(away.guard(failing, needed, None))
            assert (answer.status, answer.body) == ("500 Internal Server Error", b"text")
        with pytest.raises(ValueError, match="own error"):
            Answer(away.guard(raising, needed, None))


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "501 Not Implemented", "502 Bad Gateway"])
def test_other_answers_are_passed_on(nowhere: away.Database, status: str) -> None:
    needed = away.Servers(databases=(nowhere,))
    for made in (application(status), lazy(status)):
        answer = Answer(away.guard(made, needed, None))
        assert (answer.status, answer.body) == (status, b"text")
        assert "Retry-After" not in answer.headers


def test_an_answer_of_503_says_when_to_come_back(nowhere: away.Database) -> None:
    guarded = away.guard(application("503 Service Unavailable"), away.Servers(databases=(nowhere,)), None)
    assert Answer(guarded).headers["Retry-After"] == str(away.RETRY_SECONDS)


def test_a_replaced_answer_is_closed(nowhere: away.Database) -> None:
    closed: list[bool] = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(True)

    def answers(environ: Any, start_response: Any) -> Any:
        start_response("500 Internal Server Error", [])
        return Body([b"text"])

    Answer(away.guard(answers, away.Servers(databases=(nowhere,)), None))
    assert closed == [True]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPPATCH"])
def test_changes_are_refused_while_the_broker_is_away(method: str) -> None:
    watch = away.Watch(broker=(), queues=())
    watch._known.set()
    guarded = away.guard(application("202 Accepted"), away.Servers(), watch)
    answer = Answer(guarded, method)
    assert (answer.status, "Retry-After" in answer.headers) == ("503 Service Unavailable", True)
    for reading in ("GET", "HEAD", "OPTIONS"):
        assert Answer(guarded, reading).status == "202 Accepted"
    watch.ready = True
    assert Answer(guarded, method).status == "202 Accepted"


def test_changes_wait_for_the_agents_reports_after_the_database_was_away(
    nowhere: away.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = away.Watch(broker=(), ready=True)
    watch._known.set()
    statuses = iter(["500 Internal Server Error", *["200 OK"] * 3])
    guarded = away.guard(
        lambda environ, start: application(next(statuses))(environ, start), away.Servers(databases=(nowhere,)), watch
    )
    assert Answer(guarded).status.startswith("503")
    assert Answer(guarded, "POST").status.startswith("503")
    assert Answer(guarded).status == "200 OK"
    monkeypatch.setattr(away, "REPORT_SECONDS", 0.0)
    assert Answer(guarded, "POST").status == "200 OK"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "rabbit://nova_1:a%2Fb%40c@127.0.0.1:5673/nova-durable",
            [("127.0.0.1:5673", "nova_1", "a/b@c", "nova-durable")],
        ),
        (
            "rabbit://u:p@mq1:5672,u:p@[2001:db8::1]:5673/v",
            [("mq1:5672", "u", "p", "v"), ("[2001:db8::1]:5673", "u", "p", "v")],
        ),
        ("rabbit://mq", [("mq:5672", "guest", "guest", "/")]),
        ("rabbit://u:p@mq/%2F?ssl=1", [("mq:5672", "u", "p", "/")]),
    ],
)
def test_the_nodes_of_a_transport_url(url: str, expected: list[tuple[str, ...]]) -> None:
    assert [(node.address, node.user, node.password, node.vhost) for node in away.nodes(url)] == expected


def test_the_servers_of_a_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "nova.conf"
    file.write_text(
        "[DEFAULT]\ntransport_url = rabbit://u:p@mq/nova\n[api_database]\n"
        "connection = mysql+pymysql://u:p@[2001:db8::2]:3307/nova_api?charset=utf8mb4\n"
        "[database]\nconnection = postgresql+psycopg2://u%40x:p@db/nova?client_encoding=utf8\n"
        "[keystone_authtoken]\nauth_url = http://id:5000/v3\n[neutron]\nauth_url = https://[2001:db8::3]/identity\n"
        "[cinder]\nauth_url = http://id:5000\n[glance]\nauth_url = http://id/identity\n[empty]\nauth_url =\n"
        "[other]\nurl = http://u:p@web/\nconnection = sqlite:////x\nsocket = mysql://u@localhost/x?unix_socket=/run/s\n"
    )
    read = away.Servers.read(str(file))
    assert read.databases == (away.Database("2001:db8::2", 3307), away.Database("db", 5432, "u@x", "nova"))
    assert [(node.host, node.vhost, node.tls) for node in read.broker] == [("mq", "nova", None)]
    assert read.keystone == (away.Server("id", 5000), away.Server("2001:db8::3", 443), away.Server("id", 80))
    file.write_text(file.read_text() + "[oslo_messaging_rabbit]\nssl = True\nssl_ca_file = /ca.pem\n")
    [node] = away.Servers.read(str(file)).broker
    assert node.tls == {"ca_certs": "/ca.pem", "cert_reqs": ssl.CERT_REQUIRED}


def test_an_application_waits_for_its_database_before_it_is_loaded(
    nowhere: away.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(away, "PAUSE", 0.01)
    away.Servers(databases=(nowhere,)).wait_for_databases(0.05)
    with listening() as database:
        away.Servers(databases=(database,)).wait_for_databases(60)
