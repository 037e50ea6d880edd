"""What becomes of what was acknowledged before the database went away, the host restarted, or a message was lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import host
import outages
import pytest
from cloud import Cloud
from served import Host, wait_for

pytest_plugins = ["control_plane_fixtures"]
pytestmark = pytest.mark.timeout(1200)
# Seconds until an interrupted build is ERROR: nova_build_timeout, and until nova-compute looks again at its builds.
INTERRUPTED = 720
INTERRUPTED_BUILDS = Path(__file__).with_name("interrupted_builds.py")
STOP = "kill -WINCH $(cat /run/apache2/apache2.pid); while systemctl is-active --quiet apache2; do sleep 0.2; done"
RABBITMQCTL = ("rabbitmqctl", "--quiet", "-p", "nova-durable")


def database(control: Host) -> str:
    """Return the unit of the database server."""
    return "mariadb" if control.try_run("systemctl", "is-active", "mariadb").returncode == 0 else "postgresql"


def waiting(control: Host, queue: str) -> int:
    """Return the number of messages that wait in a queue of nova."""
    rows = (line.split("\t") for line in control.run(*RABBITMQCTL, "list_queues", "name", "messages").splitlines())
    return {name: int(count) for name, count in rows if count.isdigit()}[queue]


def lose_messages(control: Host, queue: str, *servers: str) -> None:
    """Wait until a queue of nova has a message, and remove the messages. A failure tells of ``servers``."""
    arrived = wait_for(lambda: "yes" if waiting(control, queue) else "", 180)
    assert arrived, f"{queue} has no message\n{outages.stuck(control, list(servers))}"
    control.run(*RABBITMQCTL, "purge_queue", queue)


def configuration(control: Host) -> str:
    """Return the folder with nova's configuration."""
    return f"/srv/wsgi/nova/releases/{control.live('nova')[1]}/etc"


def end_lost_builds(control: Host) -> None:
    """Run the program of the agent lost-builds once, for builds that are some seconds old."""
    folder = configuration(control)
    program = f"import sys; sys.path.insert(0, '{folder}'); import lost_builds; lost_builds.AGE = lost_builds.GRACE = 3"
    control.run("/srv/wsgi/nova/run", "python", "-c", f"{program}; lost_builds.look('{folder}/nova.conf')")


def check_counts(result: dict[str, Any]) -> None:
    """Check that clients were served before and after the outage, and refused in between."""
    for kind in ("server", "volume"):
        assert result[kind]["answers"].get("202", 0) > 3, result
    # A request that was under way when the server went away may wait until it is back.
    assert sum(result[kind]["answers"].get("503", 0) for kind in ("server", "volume")) > 5, result


def wait_for_servers(clients: outages.Clients, more: int) -> None:
    """Wait until so many more servers than now were acknowledged."""
    before = clients.acknowledged("server")
    # The agents of a busy machine need more than a minute after a start.
    assert wait_for(lambda: "yes" if clients.acknowledged("server") >= before + more else "", 300)


def test_what_is_acknowledged_has_an_end_while_the_database_is_away(control: Host, admin: Cloud) -> None:
    result = outages.during_outage(outages.clients(admin, "database"), database(control), 20, INTERRUPTED)
    outages.check_ends(control, result)
    assert result["without_retry_after"] == [], result
    check_counts(result)


def test_what_is_acknowledged_has_an_end_while_the_host_restarts(control: Host, admin: Cloud) -> None:
    clients = outages.clients(admin, "restart")
    with clients.creating():
        time.sleep(5)
        host.restart(control.container, wait=False)
    with clients.creating():
        wait_for_servers(clients, 6)
    # A volume whose request was cut off may exist, and the agent lost-volumes ends it.
    result = clients.result(INTERRUPTED)
    # No connection is accepted while the host is down.
    outages.check_ends(control, result)
    assert result["without_retry_after"] == [], result
    assert {line["status"] for line in result["other"]} <= {0}, result["other"]
    assert result["server"]["acknowledged"]["ACTIVE"] > 5, result


def test_no_request_that_ends_while_apache_stops_is_answered_with_500(control: Host, admin: Cloud) -> None:
    """As while a host stops. nova has then to ask keystone, glance and neutron, and the same Apache accepts nothing."""
    clients = outages.clients(admin, "stop", 4)
    for _ in range(3):
        with clients.creating():
            time.sleep(5)
            wait_for_servers(clients, 4)
            # The unit may refuse to be stopped by hand.
            control.run("bash", "-c", STOP)
            control.run("systemctl", "start", "apache2")
    result = clients.result(INTERRUPTED)
    outages.check_ends(control, result)
    # A request that was under way may have waited for request_timeout.
    assert {line["status"] for line in result["other"]} <= {0, 504}, result["other"]
    assert result["without_retry_after"] == [], result
    assert result["server"]["answers"].get("503", 0) > 0, result


@pytest.mark.parametrize("unit", ["rabbitmq-server", "database"])
def test_what_is_acknowledged_has_an_end_while_a_server_is_away_for_a_minute(
    control: Host, admin: Cloud, unit: str
) -> None:
    clients = outages.clients(admin, f"{unit}-minute")
    result = outages.during_outage(clients, database(control) if unit == "database" else unit, 60, INTERRUPTED)
    outages.check_ends(control, result)
    assert result["without_retry_after"] == [], result
    # A request that was under way may have waited for request_timeout.
    assert {line["status"] for line in result["other"]} <= {504}, result
    check_counts(result)


def test_a_build_that_nobody_continues_becomes_an_error(control: Host, admin: Cloud) -> None:
    """The message of one build is lost on its way to the conductor, and the other one on its way to the compute."""
    outages.clients(admin, "lost")
    create = "openstack server create --flavor outage --image outage --network outage"
    for name, agent in (("unscheduled", "conductor"), ("unbuilt", "compute")):
        queue = "conductor" if agent == "conductor" else f"compute.{control.run('hostname').strip()}"
        control.run("systemctl", "stop", f"grove-nova-{agent}")
        server = admin.show(f"{create} {name}")["id"]
        lose_messages(control, queue, server)
        assert admin.show(f"openstack server show {server}")["status"] == "BUILD"
        if agent == "conductor":
            control.run("systemctl", "start", "grove-nova-conductor")
    end_lost_builds(control)
    for name in ("unscheduled", "unbuilt"):
        details = admin.show(f"openstack server show {name}")
        assert (details["status"], "interrupted" in details["fault"]["message"]) == ("ERROR", True), details
    # A compute that starts lets the builds that were on their way to it become ERROR itself.
    control.run("systemctl", "start", "grove-nova-compute")
    for name in ("unscheduled", "unbuilt"):
        admin.run(f"openstack server delete --wait {name}")


def test_an_interrupted_build_has_an_end_in_every_state_that_an_outage_leaves(control: Host, admin: Cloud) -> None:
    outages.clients(admin, "states")
    command = ["/srv/wsgi/nova/run", "python", "-", f"{configuration(control)}/nova.conf"]
    program = INTERRUPTED_BUILDS.read_text()
    states = control.run(*command, stdin=program).split()
    control.run("systemctl", "stop", "grove-nova-conductor")
    create = "openstack server create --flavor outage --image outage --nic none"
    servers = {state: admin.show(f"{create} state-{state}")["id"] for state in states}
    lose_messages(control, "conductor", *servers.values())
    control.run(*command, *(f"{state}={server}" for state, server in servers.items()), stdin=program)
    control.run("systemctl", "start", "grove-nova-conductor")
    time.sleep(3)
    end_lost_builds(control)
    listed = {one["ID"]: one["Status"] for one in admin.show("openstack server list")}
    expected = {**dict.fromkeys(states, "ERROR"), "built": "ACTIVE", "never-acknowledged": None}
    found = {state: listed.get(server) for state, server in servers.items()}
    assert found == expected, outages.stuck(control, list(servers.values()))
    for state in set(states) - {"built", "error-in-cell0", "never-acknowledged"}:
        assert "interrupted" in admin.show(f"openstack server show {servers[state]}")["fault"]["message"], state
    del servers["never-acknowledged"]
    admin.run(f"openstack server delete --wait {' '.join(servers.values())}")
