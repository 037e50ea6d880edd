"""What clients are told while the broker is away, and what comes of what was acknowledged."""

from __future__ import annotations

import outages
import pytest
from cloud import Cloud
from served import Host

pytest_plugins = ["control_plane_fixtures"]


@pytest.mark.timeout(600)
def test_nothing_acknowledged_is_lost_while_the_broker_is_away(control: Host, admin: Cloud) -> None:
    result = outages.during_outage(outages.clients(admin, "broker"), "rabbitmq-server", 20)
    outages.check(control, result)
    # A request that was under way when the broker went away may wait until it is back.
    assert sum(result[kind]["answers"].get("503", 0) for kind in ("server", "volume")) > 5, result
    for kind, ready in (("server", "ACTIVE"), ("volume", "available")):
        counts = result[kind]
        assert counts["answers"]["202"] > 5, result
        assert counts["acknowledged"] == {ready: counts["answers"]["202"]}, result
