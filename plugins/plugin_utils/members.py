"""The hosts of a group that make one cluster: what is refused whatever data they have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.grove.wsgi.plugins.module_utils.host.peers import OPEN, UNREACHABLE

LEAST = 3
"""Hosts of which a majority is left when one is lost."""


class HostState(Protocol):
    """What the rules read of a host's state."""

    @property
    def address_is_here(self) -> bool:
        """Whether the host has its address."""

    @property
    def series(self) -> str:
        """The series of the server; empty where unknown."""

    @property
    def system(self) -> str:
        """The distribution with its release."""

    @property
    def peers(self) -> Mapping[str, str]:
        """What the host sees of the others, by their names."""


@dataclass(frozen=True)
class Group:
    """A group of the inventory whose hosts make a cluster.

    ``hosts``: what a message calls its hosts. ``server``: the program whose series has to be the same. ``address`` and
    ``lost``: the variables with a host's address, and with the hosts that do not come back with their data. ``port``:
    on which members talk with each other.
    """

    name: str
    hosts: str
    server: str
    address: str
    lost: str
    port: int

    def problems(
        self,
        hosts: Sequence[str],
        addresses: Mapping[str, str],
        states: Mapping[str, HostState],
        lost: Collection[str] = (),
    ) -> list[str]:
        """Return what is wrong with the group, with its hosts, and with what they see of each other.

        hosts: the group, in its order. addresses: of all hosts. states: of the hosts that the run reaches. lost: the
        hosts that the operator has given up.
        """
        return [
            *self._number(hosts),
            *self._lost_names(hosts, lost),
            *self._same_addresses(addresses),
            *self._differences(states),
            *(
                problem
                for host in hosts
                for problem in (
                    self._host(host, addresses, states, lost)
                    if host in states
                    else self._away(host)
                    if host not in lost
                    else []
                )
            ),
        ]

    def _number(self, hosts: Sequence[str]) -> list[str]:
        if len(hosts) % 2:
            return []
        return [
            f"group {self.name}: found {len(hosts)} hosts ({', '.join(hosts)}), of which no half is a majority when"
            " they do not reach each other; it has to be an odd number: 3, 5 or 7, or 1 for a server without a cluster"
        ]

    def _lost_names(self, hosts: Sequence[str], lost: Collection[str]) -> list[str]:
        return [
            f"variable {self.lost}: found {host}, which is no host of the group {self.name} ({', '.join(hosts)})"
            for host in lost
            if host not in hosts
        ]

    @staticmethod
    def _same_addresses(addresses: Mapping[str, str]) -> list[str]:
        problems = []
        owners: dict[str, str] = {}
        for host, address in addresses.items():
            if address in owners:
                problems.append(
                    f"hosts {owners[address]} and {host}: both have the address {address}; each needs its own"
                )
            owners.setdefault(address, host)
        return problems

    def _differences(self, states: Mapping[str, HostState]) -> list[str]:
        problems = []
        for what, values in (
            ("the distribution", {host: state.system for host, state in states.items()}),
            (f"the series of {self.server}", {host: state.series for host, state in states.items() if state.series}),
        ):
            if len(set(values.values())) > 1:
                found = ", ".join(f"{value} on {host}" for host, value in values.items())
                problems.append(
                    f"group {self.name}: {what} differs: found {found}; members of a cluster need the same series of"
                    f" {self.server}"
                )
        return problems

    def _away(self, host: str) -> list[str]:
        return [
            f"host {host}: the run does not reach it, so it may be in a cluster that serves; start it, or run without"
            " -l, which may leave it out. If its data are gone for good, and it is switched off, add -e"
            f" {self.lost}={host}"
        ]

    def _host(
        self, host: str, addresses: Mapping[str, str], states: Mapping[str, HostState], lost: Collection[str]
    ) -> list[str]:
        problems = []
        if not states[host].address_is_here:
            problems.append(
                f"variable {self.address}: found {addresses[host]} for {host}, which no interface of the host has; it"
                f" has to be the address by which the other {self.hosts} reach it"
            )
        for peer, seen in states[host].peers.items():
            if peer not in states:
                if peer in lost and seen == OPEN:
                    problems.append(
                        f"variable {self.lost}: found {peer}, which answers {host} on port {self.port} of"
                        f" {addresses[peer]}: its server runs; switch the host off, or take it out of the variable"
                    )
            elif seen == UNREACHABLE:
                problems.append(
                    f"host {host}: it does not reach {peer} at {addresses[peer]}, port {self.port}; mend the network or"
                    f" the firewall between them, or set {self.address} for {peer} to an address that the others reach"
                )
        return problems


def names(text: str) -> list[str]:
    """Return the names in a text that has commas between them."""
    return [name.strip() for name in text.split(",") if name.strip()]


def order(hosts: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], plan: str) -> list[str]:
    """Return the hosts in the order in which they change. plan: the name of the fact that has it."""
    plans = [hostvars[host][plan] for host in hosts if host in hostvars and hostvars[host].get(plan)]
    return list(plans[0]["order"]) if plans else list(hosts)
