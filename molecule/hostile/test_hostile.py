"""Slow clients and many connections: the other clients notice none of them, and each limit ends what is beyond it."""

from __future__ import annotations

import re
import time

import pytest
from hostile_plugin import CONNECT, Target

LARGE = "/large?pieces=64"
"""An answer of 4 MiB."""
CONFIGURATION = "/etc/apache2/conf-available/zz-grove-server.conf"


@pytest.mark.parametrize(
    ("kind", "path", "clients", "addresses"),
    [
        pytest.param("headers", "/", 500, 0, marks=pytest.mark.short),
        pytest.param("headers", "/", 500, 50, marks=pytest.mark.short),
        pytest.param("bodies", "/", 200, 0, marks=pytest.mark.short),
        pytest.param("bodies", "/", 200, 50),
        pytest.param("readers", LARGE, 200, 0, marks=pytest.mark.short),
        pytest.param("readers", LARGE, 200, 50),
        pytest.param("handshakes", "/", 500, 0),
        pytest.param("idle", "/", 2000, 0),
    ],
)
def test_slow_clients(target: Target, kind: str, path: str, clients: int, addresses: int) -> None:
    """The other clients' p99 is little more than the one without an attack, and no request of theirs fails."""
    name = f"{clients} slow {kind}" + (f" from {addresses} addresses" if addresses else "")
    idle = target.measure(f"idle before {name}", target.form.idle)
    with target.attack(kind, path, clients, addresses=addresses) as attack:
        time.sleep(CONNECT)
        measured = target.measure(name, target.form.attack)
    target.row(name, measured, idle)
    assert attack.report.most_open >= clients * 0.9, "there was no attack"
    assert measured.total.requests > 10 * target.form.attack
    assert measured.total.failed == 0, measured.total.by_outcome
    assert idle.total.p99 is not None
    assert measured.total.p99 is not None
    limit = max(target.form.ratio * idle.total.p99, target.form.noise)
    # A client that waited for a processor itself saw every answer so much later.
    assert measured.total.p99 < limit + max(measured.run.client_delays)


@pytest.mark.short
def test_kept_connections(target: Target) -> None:
    """No request of a kept-alive client meets a connection that the server has closed."""
    options = ("--keep-alive", str(target.form.kept), "--fresh", "0", "--pause", "3")
    measured = target.measure("kept clients", target.form.attack, *options)
    target.row(f"{target.form.kept} kept clients", measured)
    assert measured.total.failed == 0, measured.total.by_outcome
    assert measured.run.connections.retried == 0, measured.run.connections
    assert measured.total.requests > target.form.kept


@pytest.mark.parametrize("pause", [5, 10, 20])
def test_clients_that_poll(target: Target, pause: int) -> None:
    """Each keeps its one connection, so none sends a request on one that the server is about to close."""
    clients = 50
    options = ("--keep-alive", str(clients), "--fresh", "0", "--pause", str(pause))
    measured = target.measure(f"polls every {pause} s", max(target.form.attack, 4 * pause), *options)
    target.row(f"{clients} clients that poll every {pause} s", measured)
    assert measured.total.failed == 0, measured.total.by_outcome
    assert measured.total.requests > 2 * clients
    connections = measured.run.connections
    assert (connections.opened, connections.closed_idle, connections.retried) == (clients, 0, 0), connections


def test_a_handshake_has_a_time_limit(target: Target) -> None:
    """Whoever has not ended the handshake of TLS after 10 seconds is disconnected."""
    with target.attack("handshakes", "/", 20) as attack:
        time.sleep(18)
    assert attack.report.ended >= 20
    assert attack.report.held <= 15


def test_the_head_of_a_request_has_a_time_limit(target: Target) -> None:
    """Whoever has not sent the head after 20 seconds gets 408, although pieces of it arrive."""
    with target.attack("headers", "/", 20, piece=1) as attack:
        time.sleep(30)
    assert set(attack.report.statuses) == {"408"}
    assert attack.report.held <= 25


def test_a_body_has_a_least_rate(target: Target) -> None:
    """Whoever sends less than 500 bytes a second gets 408."""
    with target.attack("bodies", "/", 20, rate=100) as attack:
        time.sleep(25)
    assert set(attack.report.statuses) == {"408"}
    assert attack.report.held <= 20


def test_a_silent_connection_is_closed(target: Target) -> None:
    """Linux hands a connection to Apache when its first byte comes, or after half a minute to a minute."""
    with target.attack("idle", "/", 20) as attack:
        time.sleep(90)
    assert attack.report.ended >= 20
    assert attack.report.held <= 80


def test_one_address_cannot_take_all_connections(target: Target) -> None:
    """An address with more connections than GroveAddressConnections loses the further ones; others are served."""
    [number] = re.findall(r"GroveAddressConnections (\d+)", target.host.run("cat", CONFIGURATION))
    allowed = int(number)
    with target.attack("headers", "/", allowed + 300, addresses=1) as attack:
        time.sleep(CONNECT + 3)
        measured = target.measure("an address beyond its limit", target.form.idle)
    target.row(f"{allowed + 300} slow headers of one address", measured)
    assert attack.report.opened >= allowed + 300, "there was no attack"
    assert measured.total.failed == 0, measured.total.by_outcome
    target.host.log_with("load-error", rf"grove_guard: 127\.0\.0\.2 has \d+ connections; .* allows {allowed}")
