"""What clients are told while the broker is away and while the host starts, and what comes of what was acknowledged."""

from __future__ import annotations

import time

import outages
import pytest
from cloud import Cloud
from served import Host

pytest_plugins = ["control_plane_fixtures"]
# Seconds after which nothing may be shown as being built.
SETTLED = 90


def check(result: dict[str, object]) -> None:
    """Check that everything that was acknowledged has an end, and that nothing else was answered but 503."""
    assert (result["missing"], result["building"]) == ([], []), result
    assert (result["without_retry_after"], result["other"]) == ([], []), result


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_while_the_broker_is_away(control: Host, admin: Cloud) -> None:
    clients = outages.clients(admin, "broker")
    with clients.creating():
        time.sleep(5)
        control.run("systemctl", "stop", "rabbitmq-server")
        time.sleep(20)
        control.run("systemctl", "start", "rabbitmq-server")
        time.sleep(20)
    result = clients.result(SETTLED)
    check(result)
    for kind, ready in (("server", "ACTIVE"), ("volume", "available")):
        counts = result[kind]
        assert counts["answers"]["202"] > 5, result
        assert counts["answers"]["503"] > 5, result
        assert counts["acknowledged"] == {ready: counts["answers"]["202"]}, result


@pytest.mark.timeout(900)
def test_nothing_acknowledged_is_lost_while_the_host_restarts(control: Host, admin: Cloud) -> None:
    clients = outages.clients(admin, "restart")
    with clients.creating():
        time.sleep(5)
        begun = outages.restart(control)
    with clients.creating():
        time.sleep(max(0.0, begun + 60 - time.monotonic()))
    result = clients.result(SETTLED)
    check(result)
    assert result["server"]["acknowledged"]["ACTIVE"] > 5, result
