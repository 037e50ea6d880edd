"""What clients are told while the broker is away and while the host starts, and what comes of what was acknowledged."""

from __future__ import annotations

import time

import outages
import pytest
from cloud import Cloud
from served import Host, wait_for

pytest_plugins = ["control_plane_fixtures"]
# Seconds after which nothing may be shown as being built.
SETTLED = 90
RABBITMQCTL = ("rabbitmqctl", "--quiet", "-p", "nova-durable")


def waiting(host: Host, queue: str) -> int:
    """Return the number of messages that wait in a queue of nova."""
    rows = (line.split("\t") for line in host.run(*RABBITMQCTL, "list_queues", "name", "messages").splitlines())
    return {name: int(count) for name, count in rows if count.isdigit()}[queue]


def lose_messages(host: Host, queue: str) -> None:
    """Wait until a queue of nova has a message, and remove the messages."""
    assert wait_for(lambda: "yes" if waiting(host, queue) else "", 60), queue
    host.run(*RABBITMQCTL, "purge_queue", queue)


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


@pytest.mark.timeout(600)
def test_a_build_that_nobody_continues_becomes_an_error(control: Host, admin: Cloud) -> None:
    """The message of one build is lost on its way to the conductor, and the other one on its way to the compute."""
    outages.clients(admin, "lost")
    create = "openstack server create --flavor outage --image outage --network outage"
    for name, agent in (("unscheduled", "conductor"), ("unbuilt", "compute")):
        queue = "conductor" if agent == "conductor" else f"compute.{control.run('hostname').strip()}"
        control.run("systemctl", "stop", f"grove-nova-{agent}")
        server = admin.show(f"{create} {name}")["id"]
        lose_messages(control, queue)
        control.run("systemctl", "start", f"grove-nova-{agent}")
        assert admin.show(f"openstack server show {server}")["status"] == "BUILD"
    release = f"/srv/wsgi/nova/releases/{control.live('nova')[1]}"
    program = (
        f"import sys; sys.path.insert(0, '{release}/etc'); import lost_builds; lost_builds.AGE = lost_builds.GRACE = 3"
    )
    control.run("/srv/wsgi/nova/run", "python", "-c", f"{program}; lost_builds.look('{release}/etc/nova.conf')")
    for name in ("unscheduled", "unbuilt"):
        details = admin.show(f"openstack server show {name}")
        assert (details["status"], "interrupted" in details["fault"]["message"]) == ("ERROR", True), details
        admin.run(f"openstack server delete --wait {name}")
