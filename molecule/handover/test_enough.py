"""The scenario has sent enough requests, over enough handovers."""

from __future__ import annotations

from handover_host import HandoverHost, reload, watched

REQUESTS = 50_000
"""On each of the two hosts."""
HANDOVERS = 20


def test_enough_requests_and_handovers(server: HandoverHost) -> None:
    """Hand over until there are enough: a busy machine sends fewer requests in the same time."""
    while server.totals["requests"] < REQUESTS or server.totals["handovers"] < HANDOVERS:
        with watched(server, f"more after {server.totals['requests']} requests"):
            for _ in range(5):
                assert reload(server)
