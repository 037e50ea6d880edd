"""Which database host starts a Galera cluster, which ones join it and in which order, and what is refused.

A decision follows from the states of all hosts of the group alone. No host starts a cluster while another one may be in
a cluster that the run does not see.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import (
    PORT,
    PRIMARY,
    Position,
    State,
    Status,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.members import Group

GROUP = "database"
LOST = "database_lost_hosts"
"""The variable with the hosts that do not come back with their data."""
ADDRESS = "database_host_address"
"""The variable with a host's address; without it, the host's ``ansible_host`` counts."""
HOSTS = Group(GROUP, "database hosts", "MariaDB", ADDRESS, LOST, PORT)
WELL, NEW, RECOVER = "well", "new", "recover"
"""A plan's kind: a cluster serves; there was none; there was one, and none of its members serves."""


@dataclass(frozen=True)
class Plan:
    """What a run does.

    ``order``: the hosts that change, one after the other. ``sizes``: the members that the cluster has to have after
    each host's turn. ``first``: the host that starts the cluster; empty where a cluster serves, and while the positions
    are not known. ``reason``: why it is that host.
    """

    kind: str
    problems: tuple[str, ...] = ()
    first: str = ""
    reason: str = ""
    order: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)


def state_from(values: Mapping[str, Any]) -> State:
    """Return the state that the module ``galera`` has read on a host."""
    return State(
        **{
            **values,
            "databases": tuple(values["databases"]),
            "position": Position(**values["position"]),
            "status": Status(**values["status"]),
        }
    )


def decide(
    hosts: Sequence[str],
    addresses: Mapping[str, str],
    states: Mapping[str, State],
    lost: Collection[str] = (),
    positions: Mapping[str, Position] | None = None,
    leaving: int = 0,
) -> Plan:
    """Return the plan for the database hosts.

    hosts: the group, in its order. addresses: of all hosts. states: of the hosts that the run reaches. lost: the hosts
    that the operator has given up. positions: how far the data of each host have come, once the servers have stopped.
    leaving: how many members beside ``hosts`` are to leave the cluster.
    """
    problems = HOSTS.problems(hosts, addresses, states, lost)
    problems += [problem for host in lost for problem in _not_lost(host, states)]
    members = [host for host in hosts if host in states and states[host].status.is_member]
    if problems:
        return Plan(WELL if members else NEW, tuple(problems))
    present = [host for host in hosts if host in states]
    if members:
        return _well(present, members, states, leaving + len(hosts) - len(members))
    if any(states[host].position.uuid for host in present):
        return _recover(present, states, lost, positions)
    return _new(present, states, lost)


def _not_lost(host: str, states: Mapping[str, State]) -> list[str]:
    """Return what is wrong where a host is named as lost, and is there with data of the cluster."""
    state = states.get(host)
    if state is None or not (state.position.uuid or state.status.is_member):
        return []
    return [
        f"variable {LOST}: found {host}, which is there with data of the cluster {state.position.uuid}; take it out of"
        " the variable, and run again"
    ]


def strangers(members: Sequence[str], states: Mapping[str, State], others: int) -> list[str]:
    """Return that a cluster has members that are no hosts. others: further members that may be there."""
    size = min(states[host].status.size for host in members)
    count = size - len(members) - others
    if count <= 0:
        return []
    return [
        f"group {GROUP}: the cluster has {size} members, and {size - count} of them are hosts of the group"
        f" ({', '.join(members)}). {count} more run{'s' if count == 1 else ''} elsewhere, such as a host that is back,"
        " or whose name or address has changed. Stop MariaDB there. A host that was switched off a moment ago leaves"
        " the cluster within half a minute"
    ]


def _well(present: Sequence[str], members: Sequence[str], states: Mapping[str, State], away: int) -> Plan:
    """Plan for a cluster that serves: the other hosts join, then the members change, the group's first one last.

    away: how many further members the cluster may have.
    """
    problems = []
    clusters = {host: states[host].status.uuid for host in members}
    cluster = clusters[members[0]]
    smallest = min(states[host].status.size for host in members)
    if len(set(clusters.values())) > 1 or smallest < len(members):
        found = "; ".join(
            f"{host} is in the cluster {states[host].status.uuid} with {states[host].status.size} members"
            for host in members
        )
        problems.append(
            f"group {GROUP}: these are several clusters: {found}. Decide which data count, and stop MariaDB on the"
            " others"
        )
    else:
        # A host of the group that has just ended may still be counted.
        problems += strangers(members, states, away)
    joining = [host for host in present if host not in members]
    for host in joining:
        state = states[host]
        if state.position.uuid and state.position.uuid != cluster:
            problems.append(
                f"host {host}: its data are of the cluster {state.position.uuid}, and {members[0]} serves the cluster"
                f" {cluster}; if nobody needs the data on {host}, move /var/lib/mysql there away, and run again"
            )
        elif not state.saved and state.databases:
            problems.append(_own_data(host, state))
        elif state.status.status and state.status.status != PRIMARY and state.saved and state.position.uuid:
            problems.append(
                f"host {host}: its server runs, and is not in the cluster that {', '.join(members)} serves"
                f" (wsrep_cluster_status {state.status.status}); it comes back by itself when it reaches the others,"
                " so run again in a minute. If that does not help, stop MariaDB there first"
            )
    sizes = {host: len(members) + number for number, host in enumerate(joining, 1)}
    sizes |= dict.fromkeys(members, len(present))
    return Plan(WELL, tuple(problems), order=(*joining, *reversed(members)), sizes=sizes)


def _new(present: Sequence[str], states: Mapping[str, State], lost: Collection[str]) -> Plan:
    """Plan for hosts that were never in a cluster. The one with databases starts the cluster, or the group's first."""
    problems = [
        f"variable {LOST}: found {host}, and no host has data of a cluster; a new cluster needs every host of the group"
        f" {GROUP}, so take {host} out of the group, or make it reachable"
        for host in lost
    ]
    owners = [host for host in present if states[host].databases]
    problems += [
        f"host {host}: its data were not whole when its server ended, and no host of the group {GROUP} has the data of"
        " the cluster; restore a backup, or move /var/lib/mysql away if nobody needs the data"
        for host in owners
        if states[host].saved
    ]
    if len(owners) > 1:
        problems += [_own_data(host, states[host]) for host in owners if not states[host].saved]
    first = owners[0] if owners else present[0]
    reason = "it has databases" if owners else "no host has been in a cluster, and it is the group's first"
    return _started(NEW, problems, first, reason, present)


def _recover(
    present: Sequence[str],
    states: Mapping[str, State],
    lost: Collection[str],
    positions: Mapping[str, Position] | None,
) -> Plan:
    """Plan for a cluster of which no member serves. The host whose data have come furthest starts it again."""
    problems = [
        f"host {host}: it has no data of a cluster, and no member of the cluster serves; a lost host may have had later"
        f" transactions than the others. If its data are gone for good, add -e {LOST}={host}"
        for host in present
        if not states[host].saved and host not in lost
    ]
    problems += [_own_data(host, states[host]) for host in present if not states[host].saved and states[host].databases]
    known = {
        host: (positions or {}).get(host, states[host].position)
        for host in present
        if (positions or {}).get(host, states[host].position).uuid
    }
    if len({position.uuid for position in known.values()}) > 1:
        found = "; ".join(f"{host} has data of the cluster {position.uuid}" for host, position in known.items())
        problems.append(
            f"group {GROUP}: {found}. Decide which data count, and move /var/lib/mysql away on the other hosts"
        )
    if positions is None or problems:
        return Plan(RECOVER, tuple(problems))
    problems += [
        f"host {host}: the position of its data is unknown, so nobody can tell whether it has come further than the"
        " others; start MariaDB there alone with --wsrep-recover, and look at its log"
        for host, position in known.items()
        if position.seqno < 0
    ]
    if not known:
        problems.append(f"group {GROUP}: no host has whole data of the cluster; restore a backup")
        return Plan(RECOVER, tuple(problems))
    first = max(known, key=lambda host: known[host].seqno)
    found = ", ".join(f"{host} {position.seqno}" for host, position in known.items())
    return _started(RECOVER, problems, first, f"its data have come furthest (last transactions: {found})", present)


def _started(kind: str, problems: Sequence[str], first: str, reason: str, present: Sequence[str]) -> Plan:
    order = (first, *(host for host in present if host != first))
    return Plan(kind, tuple(problems), first, reason, order, {host: size for size, host in enumerate(order, 1)})


def _own_data(host: str, state: State) -> str:
    return (
        f"host {host}: it has databases of its own ({', '.join(state.databases)}), which a host loses when it joins a"
        " cluster; dump and drop them, or move /var/lib/mysql away"
    )
