"""The parts of the tests, and what each job of a part costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SCENARIOS = sorted(path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml"))
LOGS = REPOSITORY / ".cache" / "molecule"
"""Where the output of each scenario is, as SCENARIO.log."""
PARTS = ["unit", "lint", "system", "telemetry", *SCENARIOS]
ON_REQUEST = {
    "cluster": "a fleet of seven hosts, most of which are killed; seven minutes of a machine that does nothing else",
    "control-plane": "a control plane on three API hosts, with three database hosts, which takes an hour",
    "fleet": "a fleet of four hosts under load, which takes up to three quarters of an hour",
    "galera": "a cluster of databases that stops, breaks and is changed; ten minutes with tests/system/test_galera.py",
    "message-bus": "a cluster of message brokers that stops, breaks and is changed; ten minutes",
    "openstack-changes": "a control plane that is deployed a dozen times, which takes forty minutes",
    "openstack-postgresql": "as long as openstack-changes",
    "hostile": "slow clients on two hosts for half an hour, for a machine that does nothing else",
    "handover": "load on two hosts while Apache changes, for a machine that does nothing else",
    "gallery": "eleven applications, most of which are downloaded from the index",
    "runbook": "an application that is deployed some twenty times, which takes a quarter of an hour",
    "tempest": "some four thousand tests of a control plane, which take an hour",
    "switch": "load on two hosts for half an hour, for a machine that does nothing else",
}
"""Scenarios that the whole run leaves out, and why; `./grove test NAME` runs them."""

CHECKS_NEED = {"telemetry-api": ("chromium", "chromium-driver")}
"""Debian packages that the checks of a scenario need, besides those of every scenario."""


@dataclass(frozen=True)
class Cost:
    """What a job needs: seconds on an idle machine, gigabytes of memory, and whether no other job may run beside it."""

    seconds: int = 180
    memory: float = 2
    alone: bool = False


COSTS = {
    "unit": Cost(15, 0.5),
    "test_ruff": Cost(1, 0.5),
    "test_ruff_format": Cost(1, 0.5),
    "test_mypy": Cost(40, 1),
    "test_mypy_plugins": Cost(30, 1),
    "test_yamllint": Cost(10, 0.5),
    "test_ansible_lint": Cost(60, 1),
    "system": Cost(900, 1.5),
    "telemetry": Cost(240, 2),
    "default": Cost(240),
    "trixie": Cost(150),
    "no-systemd": Cost(330, 3),
    "telemetry-api": Cost(260),
    "options": Cost(300),
    "trouble": Cost(420),
    "gallery-short": Cost(120),
    "gallery": Cost(900, 3),
    "runbook-short": Cost(170),
    "runbook": Cost(900),
    "handover-short": Cost(120),
    "openstack": Cost(600, 10),
    "openstack-changes": Cost(2400, 10),
    "openstack-postgresql": Cost(2400, 10),
    "tempest": Cost(3600, 12),
    # Other load on the machine would change the latencies that these scenarios measure.
    "hostile-short": Cost(200, 2, alone=True),
    "hostile": Cost(2100, 4, alone=True),
    "switch-short": Cost(240, 2, alone=True),
    "cluster": Cost(400, 5),
    "control-plane": Cost(4800, 14),
    "fleet": Cost(2700, 2.5),
    "fleet-short": Cost(240, 2),
    "galera": Cost(600, 2.5),
    "message-bus": Cost(900, 1.5),
    "switch": Cost(1800, 2, alone=True),
    "handover": Cost(3000, 2, alone=True),
}
"""By the name of the job, which is a part or one linter. Any other job costs the defaults of Cost."""
