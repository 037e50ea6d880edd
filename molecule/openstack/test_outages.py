"""What clients are told while the broker is away, and what comes of what was acknowledged."""

from __future__ import annotations

import outages
import pytest
from cloud import Cloud
from served import Host, wait_for

pytest_plugins = ["control_plane_fixtures"]


@pytest.mark.timeout(1200)
def test_nothing_acknowledged_is_lost_while_the_broker_is_away(control: Host, admin: Cloud) -> None:
    result = outages.during_outage(outages.clients(admin, "broker"), "rabbitmq-server", 20)
    outages.check(control, result)
    # A request that was under way when the broker went away may wait until it is back.
    assert sum(result[kind]["answers"].get("503", 0) for kind in ("server", "volume")) > 5, result
    for kind, ready in (("server", "ACTIVE"), ("volume", "available")):
        counts = result[kind]
        assert counts["answers"]["202"] > 5, result
        assert counts["acknowledged"] == {ready: counts["answers"]["202"]}, result


@pytest.mark.timeout(1200)
def test_an_agent_that_is_ready_has_reported_although_neutron_skipped_its_first_report(
    control: Host, admin: Cloud
) -> None:
    """Neutron skips a report that was sent before its own start, such as one of a host that starts."""
    server, agent = "grove-neutron-rpc-server", "grove-neutron-fake-agent"
    control.run("systemctl", "stop", server, agent)
    begun = control.run("date", "--utc", "+%F %T").strip()
    try:
        control.run("systemctl", "start", "--no-block", agent)
        assert wait_for(lambda: "yes" if reports_waiting(control) else "", 300), "the agent has sent no report"
        assert control.run("systemctl", "show", "--property=ActiveState", agent).strip() == "ActiveState=activating"
    finally:
        control.run("systemctl", "start", server, agent)
    [listed] = admin.show("openstack network agent list")
    reported = admin.show(f"openstack network agent show {listed['ID']}")["last_heartbeat_at"]
    assert str(reported) >= begun, (reported, begun)


def reports_waiting(control: Host) -> int:
    """Return the number of agents' reports that wait for neutron-rpc-server."""
    command = "rabbitmqctl --quiet -p neutron-durable list_queues name messages"
    rows = control.run(*command.split()).splitlines()
    return next((int(row.split("\t")[1]) for row in rows if row.startswith("q-reports-plugin\t")), 0)
