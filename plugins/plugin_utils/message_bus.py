"""Which message broker host begins a RabbitMQ cluster, which ones join it and in which order, and what is refused.

A decision follows from the states of all hosts of the group alone. No host begins a cluster while another one may be in
a cluster that the run does not see.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.grove.wsgi.plugins.module_utils.openstack.bus_member import PORT, State, digest, node_name
from ansible_collections.grove.wsgi.plugins.plugin_utils.members import Group

GROUP = "message_bus"
LOST = "message_bus_lost_hosts"
"""The variable with the hosts, or the addresses of former hosts, that do not come back with their data."""
DISCARD = "message_bus_discard_messages"
"""The variable that allows a host to leave the messages of its former broker behind."""
ADDRESS = "message_bus_host_address"
"""The variable with a host's address; without it, the host's ``ansible_host`` counts."""
HOSTS = Group(GROUP, "message broker hosts", "RabbitMQ", ADDRESS, LOST, PORT)
WELL, NEW, RECOVER = "well", "new", "recover"
"""A plan's kind: a cluster serves; there was none; there was one, and none of its members serves."""
FOLDER = "/var/lib/rabbitmq/mnesia"


@dataclass(frozen=True)
class Plan:
    """What a run does.

    ``first``: the host that begins a new cluster, or that starts without waiting for lost ones; else empty. ``order``:
    the hosts that change, one after the other. ``join``: the node that a host joins, by the host's name; it is missing
    where the host has the cluster's data. ``sizes``: the members that have to run after each host's turn. ``forget``:
    nodes that ``helper``, a host whose node runs, removes from the cluster.
    """

    kind: str
    problems: tuple[str, ...] = ()
    first: str = ""
    order: tuple[str, ...] = ()
    join: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    forget: tuple[str, ...] = ()
    helper: str = ""


@dataclass(frozen=True)
class Hosts:
    """The hosts of the group as a run finds them.

    ``addresses``: of all hosts, in their order. ``states``: of those that the run reaches. ``lost``: what the operator
    has given up. ``discard``: whether messages of former brokers may be left behind. ``cookie``: the members' secret.
    """

    addresses: Mapping[str, str]
    states: Mapping[str, State]
    lost: Collection[str] = ()
    discard: bool = False
    cookie: str = ""

    @property
    def nodes(self) -> dict[str, str]:
        """The name of each host's node."""
        return {host: node_name(address) for host, address in self.addresses.items()}

    @property
    def present(self) -> list[str]:
        """The hosts that the run reaches, in their order."""
        return [host for host in self.addresses if host in self.states]

    def is_lost(self, node: str) -> bool:
        """Return whether the operator has given up a node, by its host's name or by its address."""
        names = {host for host, own in self.nodes.items() if own == node}
        return bool({node.partition("@")[2], *names} & set(self.lost))

    def plan(self) -> Plan:
        """Return the plan for the hosts."""
        hosts = list(self.addresses)
        lost_hosts = [name for name in self.lost if name in hosts or not self._was_member(name)]
        problems = HOSTS.problems(hosts, self.addresses, self.states, lost_hosts)
        problems += [problem for host in self.present for problem in self._own_problems(host)]
        clustered = [host for host in self.present if self.states[host].is_clustered]
        serving = [host for host in clustered if self.states[host].runs]
        kind = WELL if serving else RECOVER if clustered else NEW
        if problems:
            return Plan(kind, tuple(problems))
        if serving:
            return self._well(serving)
        return self._recover(clustered) if clustered else self._new()

    def _was_member(self, address: str) -> bool:
        node = node_name(address)
        return any(node in (*state.saved, *state.members) for state in self.states.values())

    def _own_problems(self, host: str) -> list[str]:
        """Return what is wrong with a host, whatever the others are."""
        state = self.states[host]
        problems = []
        if host in self.lost and state.is_clustered:
            problems.append(
                f"variable {LOST}: found {host}, which is there with data of a cluster; take it out of the variable,"
                " and run again"
            )
        if state.is_clustered and self.cookie and state.cookie != digest(self.cookie):
            problems.append(
                f"host {host}: the secret of its cluster (/var/lib/rabbitmq/.erlang.cookie) is not the one in the"
                " controller's secrets; restore the secrets' file erlang_cookie"
            )
        for former in state.former:
            if len(former.members) > 1:
                problems.append(
                    f"host {host}: it has the data of {former.name}, a member of a cluster, and its address is"
                    f" {self.addresses[host]} now; give it the former address, or, if nobody needs the data, move"
                    f" {FOLDER}/{former.name} away"
                )
            elif former.messages and not self.discard:
                found = f"{former.messages} messages" if former.messages > 0 else "messages that it does not show"
                problems.append(
                    f"host {host}: its broker {former.name} has no cluster, and {found}, which stay behind when the"
                    " host becomes a member of one; start it if it does not run, let the services read what is in its"
                    f" queues, or add -e {DISCARD}=true"
                )
        return problems

    def _well(self, serving: Sequence[str]) -> Plan:
        """Plan for a cluster that serves: the other hosts join, then the members change, the group's first one last."""
        states, nodes = self.states, self.nodes
        members = set(states[serving[0]].members)
        running = set(states[serving[0]].running)
        problems = []
        if (
            any(set(states[host].members) != members or states[host].parted for host in serving)
            or not {nodes[host] for host in serving} <= running
        ):
            found = "; ".join(f"{host} sees {', '.join(states[host].running)}" for host in serving)
            problems.append(
                f"group {GROUP}: these are several clusters, or parts of one: {found}. Mend the network between them."
                " If that does not help, decide which part counts, and restart RabbitMQ on the others"
            )
        rest = [host for host in self.present if host not in serving]
        joining = []
        for host in rest:
            state = states[host]
            if not state.is_clustered:
                problems += self._data_of_its_own(host)
                joining.append(host)
            elif nodes[host] not in members:
                problems.append(
                    f"host {host}: its data are of a cluster ({', '.join(state.saved)}) that does not have it as a"
                    f" member; if nobody needs them, stop RabbitMQ there, move {FOLDER} away, and run again"
                )
        forget = []
        for node in sorted(members - {nodes[host] for host in self.present if host not in joining}):
            owner = next((host for host in joining if nodes[host] == node), "")
            if node in running and not owner:
                problems.append(
                    f"group {GROUP}: the cluster has the member {node}, which runs, and which is no host of the group;"
                    f" stop RabbitMQ there, and add -e {LOST}={node.partition('@')[2]}"
                )
            elif owner or self.is_lost(node):
                forget.append(node)
            else:
                problems.append(
                    f"group {GROUP}: the cluster has the member {node}, which does not run, and which is no host of the"
                    f" group; if it is lost, add -e {LOST}={node.partition('@')[2]}"
                )
        back = [host for host in rest if host not in joining]
        sizes = {host: len(serving) + number for number, host in enumerate((*back, *joining), 1)}
        sizes |= dict.fromkeys(serving, len(self.present))
        return Plan(
            WELL,
            tuple(problems),
            order=(*back, *joining, *reversed(serving)),
            join=dict.fromkeys(joining, nodes[serving[0]]),
            sizes=sizes,
            forget=tuple(forget),
            helper=serving[0] if forget else "",
        )

    def _recover(self, clustered: Sequence[str]) -> Plan:
        """Plan for a cluster of which no member runs: all start together. Afterwards, another plan is made."""
        states, nodes = self.states, self.nodes
        members = set(states[clustered[0]].saved)
        problems = [
            f"host {host}: its data are of the cluster {', '.join(states[host].saved)}, and {clustered[0]} has data of"
            f" the cluster {', '.join(sorted(members))}; decide which data count, and move {FOLDER} away on the other"
            " host"
            for host in clustered
            if not members & set(states[host].saved)
        ]
        missing = sorted(
            {node for host in clustered for node in states[host].saved} - {nodes[host] for host in clustered}
        )
        problems += [
            f"group {GROUP}: no member of the cluster runs, and {node} is not there with its data; it may have run"
            " longer than the others. If its data are gone for good, and it is switched off, add -e"
            f" {LOST}={next((host for host in nodes if nodes[host] == node), node.partition('@')[2])}"
            for node in missing
            if not self.is_lost(node)
        ]
        if missing and not problems and 2 * len(missing) >= len({*members, *missing}):
            problems.append(
                f"group {GROUP}: {', '.join(missing)} are lost, so no majority of the cluster is left, and the queues"
                f" cannot be saved; stop RabbitMQ on all hosts, move {FOLDER} away there, and run again"
            )
        first = ""
        if missing and not problems:
            # The host that last saw the fewest others has run the longest.
            gone = set(missing)
            first = min(clustered, key=lambda host: len(set(states[host].last) - gone))
        return Plan(
            RECOVER,
            tuple(problems),
            first,
            order=tuple(clustered),
            sizes=dict.fromkeys(clustered, len(clustered)),
        )

    def _new(self) -> Plan:
        """Plan for hosts that were never in a cluster. The one with accounts begins it, or the group's first."""
        problems = [
            f"variable {LOST}: found {name}, and no host has data of a cluster; a new cluster needs every host of the"
            f" group {GROUP}, so take {name} out of the group, or make it reachable"
            for name in self.lost
        ]
        owners = [host for host in self.present if self.states[host].accounts]
        if len(owners) > 1:
            problems += [problem for host in owners for problem in self._data_of_its_own(host)]
        first = owners[0] if owners else self.present[0]
        order = (first, *(host for host in self.present if host != first))
        return Plan(
            NEW,
            tuple(problems),
            first,
            order,
            join=dict.fromkeys(order[1:], self.nodes[first]),
            sizes={host: size for size, host in enumerate(order, 1)},
        )

    def _data_of_its_own(self, host: str) -> list[str]:
        accounts = self.states[host].accounts
        if not accounts:
            return []
        return [
            f"host {host}: its broker has accounts of its own ({', '.join(accounts)}), which a host loses with its"
            f" queues when it joins a cluster; if nobody needs them, stop RabbitMQ there, move {FOLDER} away, and run"
            " again"
        ]
