#!/usr/bin/env python3
"""Measure what wsgi/slot.wsgi adds to a request to drop what a client claims about itself.

Prints the time that an application takes without and with it: the least of several rounds, in microseconds.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).resolve().parents[1] / "wsgi" / "slot.wsgi"
ROUNDS, REQUESTS = 20, 2000
# As many variables as a request with the headers of OpenStack's clients has under mod_wsgi.
HEADERS = ("HOST", "USER_AGENT", "ACCEPT", "ACCEPT_ENCODING", "CONNECTION", "X_AUTH_TOKEN", "X_OPENSTACK_REQUEST_ID")
NAMES = [f"HTTP_{name}" for name in HEADERS] + [f"VARIABLE_OF_THE_SERVER_{number}" for number in range(31)]


def application(environ: dict[str, str], start_response: object) -> None:
    """Do nothing."""


def filtered() -> Callable[..., Any]:
    """Return the application as slot.wsgi passes it to mod_wsgi."""
    sys.modules["mod_wsgi"] = types.ModuleType("mod_wsgi")
    sys.modules["mod_wsgi"].process_group = "shop-blue"  # type: ignore[attr-defined]
    namespace: dict[str, Any] = {"__file__": "/srv/wsgi/shop/slot.wsgi"}
    path = list(sys.path)
    exec(SCRIPT.read_text().partition("slot_map = ")[0], namespace)
    sys.path[:] = path
    without_claims: Callable[..., Callable[..., Any]] = namespace["without_claims"]
    return without_claims(application)


def microseconds(call: Callable[..., Any], more: dict[str, str]) -> float:
    """Return the time of one request, whose environment is new, as mod_wsgi makes one for each."""
    best = float("inf")
    for _ in range(ROUNDS):
        spent = 0
        for _ in range(REQUESTS):
            environ = {name.encode().decode(): "value" for name in [*NAMES, *more]}
            environ |= more
            begun = time.perf_counter_ns()
            call(environ, None)
            spent += time.perf_counter_ns() - begun
        best = min(best, spent / REQUESTS / 1000)
    return best


if __name__ == "__main__":
    guarded = filtered()
    for text, more in (("a usual request", {}), ("a request with a claim", {"HTTP_X_FORWARDED_HOST": "value"})):
        plain, with_claims = microseconds(application, more), microseconds(guarded, more)
        print(f"{text}: {plain:.2f} us without, {with_claims:.2f} us with, {with_claims - plain:.2f} us more")
