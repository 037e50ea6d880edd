"""What the verbs do with the hosts of a Galera cluster, and what they refuse: replace, scale_out and so on.

Each decision is a plan of ``galera.py`` for the hosts that the operator names. The others stay as they are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import State
from ansible_collections.grove.wsgi.plugins.plugin_utils.galera import GROUP, WELL, Plan, decide, strangers
from ansible_collections.grove.wsgi.plugins.plugin_utils.members import LEAST


@dataclass(frozen=True)
class Seen:
    """A database host as HAProxy on a load balancer sees it: whether it may have clients, and its address there."""

    up: bool
    address: str


@dataclass(frozen=True)
class Hosts:
    """The database hosts as a run finds them.

    ``addresses``: of all hosts of the group, in their order. ``states``: of those that the run reaches. ``lost``: those
    that the operator has given up. ``proxies``: what each load balancer says of each host; empty without load
    balancers.
    """

    addresses: Mapping[str, str]
    states: Mapping[str, State]
    lost: Collection[str] = ()
    proxies: Mapping[str, Mapping[str, Seen]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The hosts of the group, in their order."""
        return list(self.addresses)

    @property
    def members(self) -> list[str]:
        """The hosts that are in a cluster that serves."""
        return [host for host in self.names if self._is_member(host)]

    def replace(self, named: Sequence[str]) -> Plan:
        """Return the plan in which a fresh machine joins as the one host that is named."""
        [host] = named
        if problems := self._not_reached(host):
            return Plan(WELL, tuple(problems))
        plan = self._served(decide(self.names, self.addresses, self.states, self.lost))
        problems = [*self._returned(host), *self._problems(plan)]
        if not problems:
            problems = self._not_lost(host) if self._is_member(host) else self._not_fresh(host)
        return self._join(plan, [host], problems)

    def grow(self, named: Sequence[str]) -> Plan:
        """Return the plan in which the hosts that are named join, one after the other."""
        plan = self._served(decide(self.names, self.addresses, self.states, self.lost))
        problems = self._problems(plan)
        problems += [
            f"host {host}: it is no member of the cluster, and scale_out does not change a host that is not named. If"
            f" it is new, name it, too (-e host={','.join([*named, host])}); otherwise, run ./grove site first"
            for host in self.names
            if not problems and host not in [*named, *self.members, *self.lost]
        ]
        return self._join(plan, [host for host in self.names if host in named], problems)

    def shrink(self, named: Sequence[str]) -> Plan:
        """Return the plan in which the hosts that are named leave, one after the other. They need not answer.

        ``order`` has those that answer.
        """
        rest = [host for host in self.names if host not in named]
        if problems := rest_problems(GROUP, rest, named):
            return Plan(WELL, tuple(problems))
        states = {
            host: dataclasses.replace(
                self.states[host], peers={name: seen for name, seen in self.states[host].peers.items() if name in rest}
            )
            for host in rest
            if host in self.states
        }
        addresses = {host: self.addresses[host] for host in rest}
        leaving = [host for host in named if self._is_member(host)]
        plan = self._served(decide(rest, addresses, states, self.lost, leaving=len(leaving)))
        problems = self._problems(plan)
        problems += [
            f"host {host}: it is no member of the cluster, so the others would be fewer than they have to be; run"
            " ./grove site first"
            for host in rest
            if not problems and host not in self.members
        ]
        problems += [
            f"host {balancer}: its HAProxy sends clients of the database to none of {', '.join(rest)}; see"
            " docs/runbook.md, and run again when one of them serves"
            for balancer, seen in self.proxies.items()
            if not problems and not any(seen[host].up for host in rest if host in seen)
        ]
        order = [host for host in self.names if host in named and host in self.states]
        return dataclasses.replace(plan, problems=tuple(problems), order=tuple(order), sizes={})

    def _problems(self, plan: Plan) -> list[str]:
        """Return the problems of a plan, or that the cluster has members that are no hosts of the group."""
        found = list(plan.problems)
        return found or (strangers(self.members, self.states, 0) if self.members else [])

    def _is_member(self, host: str) -> bool:
        return host in self.states and self.states[host].status.is_member

    @staticmethod
    def _served(plan: Plan) -> Plan:
        """Refuse a plan for a cluster of which no member serves."""
        if plan.kind == WELL:
            return plan
        problem = (
            f"group {GROUP}: no host is a member of a cluster that serves, so there is no majority (quorum) that a host"
            " could join or leave. ./grove site makes a cluster of new hosts, or starts the former one again"
        )
        return dataclasses.replace(plan, problems=(problem, *plan.problems))

    def _join(self, plan: Plan, named: Sequence[str], problems: Sequence[str]) -> Plan:
        joining = [host for host in named if host not in self.members]
        sizes = dict.fromkeys(named, len(self.members))
        sizes |= {host: len(self.members) + number for number, host in enumerate(joining, 1)}
        return dataclasses.replace(plan, problems=tuple(problems), order=tuple(named), sizes=sizes)

    def _not_reached(self, host: str) -> list[str]:
        if host in self.states:
            return []
        return [
            f"host {host}: the run does not reach the machine that is to replace it; install a fresh one, and write its"
            " address into the inventory (ansible_host), or run without -l, which may leave it out"
        ]

    def _returned(self, host: str) -> list[str]:
        """Return which load balancers reach the lost machine at another address than that of the fresh one."""
        return [
            f"host {host}: {balancer} reaches it at {seen[host].address}, where it answers as a member, and the"
            f" inventory says {self.addresses[host]}: the lost host is back. Switch it off and run again, or keep it,"
            " with its address in the inventory"
            for balancer, seen in self.proxies.items()
            if host in seen and seen[host].up and seen[host].address != self.addresses[host]
        ]

    def _not_lost(self, host: str) -> list[str]:
        # A run that was ended before every load balancer knew the host has to be repeated.
        if not all(host in seen and seen[host].up for seen in self.proxies.values()):
            return []
        return [
            f"host {host}: it is not lost, but a member of the cluster that serves. ./grove site brings it up to date,"
            " and ./grove scale_in removes it"
        ]

    def _not_fresh(self, host: str) -> list[str]:
        state = self.states[host]
        if not state.position.uuid:
            return []
        return [
            f"host {host}: it is not lost, since it answers and has the data of the cluster ({state.position.uuid});"
            " ./grove site lets it join again. A machine that replaces a lost one has no data: install it anew"
        ]


def rest_problems(group: str, rest: Sequence[str], named: Sequence[str]) -> list[str]:
    """Return why a cluster may not go on with the hosts ``rest`` after those that are ``named`` have left."""
    if len(rest) < LEAST:
        return [
            f"group {group}: without {', '.join(named)}, it has {len(rest)} hosts ({', '.join(rest) or 'none'}); a"
            f" cluster needs {LEAST} or more to survive the loss of one, and there is no way back to one host. Add"
            " others first (./grove scale_out)"
        ]
    if len(rest) % 2 == 0:
        return [
            f"group {group}: without {', '.join(named)}, it has {len(rest)} hosts ({', '.join(rest)}), of which no half"
            " is a majority when they do not reach each other; it has to be an odd number, so name one host more, such"
            f" as -e host={','.join([*named, rest[-1]])}"
        ]
    return []
