"""Load balancers with a shared address, and database hosts that are one cluster, as their administrator sees them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import machine
from served import Host

SECONDS = 600.0
"""Until a server or a cluster is as expected: generous, for a busy machine."""


def holders(hosts: Iterable[Host], address: str) -> list[str]:
    """Return which load balancers have an address."""
    command = ("ip", "-json", "address", "show", "to", address)
    found = []
    for host in hosts:
        # A host that was killed does not run.
        with suppress(machine.HostError):
            # Some versions of iproute2 print an empty entry for what they leave out.
            found += [host.name] if any(json.loads(host.try_run(*command).stdout or "[]")) else []
    return found


def wsrep_status(host: Host) -> dict[str, str]:
    """Return what MariaDB says of its cluster; nothing where it does not answer."""
    with suppress(machine.HostError):
        done = host.try_run("mariadb", "-Ne", "SHOW GLOBAL STATUS LIKE 'wsrep%'")
        return dict(line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line)
    return {}


def is_whole(hosts: Sequence[Host]) -> bool:
    """Return whether all database hosts are synced members of one cluster."""
    found = [wsrep_status(host) for host in hosts]
    states = {
        tuple(one.get(f"wsrep_{name}") for name in ("cluster_status", "local_state_comment", "cluster_size"))
        for one in found
    }
    return (
        states == {("Primary", "Synced", str(len(hosts)))}
        and len({one["wsrep_cluster_state_uuid"] for one in found}) == 1
    )


def until(condition: Callable[[], bool], what: str | Callable[[], str] = "", seconds: float = SECONDS) -> None:
    """Wait for a condition; fail with ``what`` is wrong when it takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.5)
