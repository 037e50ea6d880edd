"""How many database connections the services may open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# A process also has threads of its own, such as those with which nova asks its cells.
THREADS = 5
# While an application is switched, two of its slots run.
SLOTS = 2
# What an agent keeps in its connection pools.
AGENT_CONNECTIONS = 15
# Agents that look into the database from time to time, with one connection.
OCCASIONAL = ("lost-builds", "lost-volumes")


def expected_connections(
    records: Mapping[str, Iterable[Mapping[str, Any]]], databases: Mapping[str, int], processors: int, hosts: int
) -> int:
    """Return the number of connections that the services may open at the same time.

    The check of records refuses values of a wrong type. Here, the default takes the place of such a value.

    Args:
        records: The records of each service.
        databases: The number of databases of each service.
        processors: Processors of a host: the number of processes, but at least 2, of a record without ``processes``.
        hosts: The number of hosts that serve.
    """
    count = 0
    for service, apps in records.items():
        for app in apps if databases.get(service) else ():
            processes = _number(app.get("processes")) or max(processors, 2)
            count += databases[service] * SLOTS * processes * max(_number(app.get("threads")), THREADS)
            agents = app.get("agents")
            for agent in agents if isinstance(agents, Mapping) else ():
                count += 1 if agent in OCCASIONAL else AGENT_CONNECTIONS
    return count * hosts


def _number(value: object) -> int:
    """Return a whole number, which a template may give as a text; 0 for everything else."""
    return int(value) if isinstance(value, int | str) and re.fullmatch("[0-9]+", str(value)) else 0
