"""Which hosts the operator names for the verbs replace, scale_out and scale_in, and what is refused of them by name.

A verb works on one API host of a fleet, or on hosts of a cluster of database hosts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.plugin_utils import galera, message_bus
from ansible_collections.grove.wsgi.plugins.plugin_utils.balancing import API_HOSTS, BALANCERS
from ansible_collections.grove.wsgi.plugins.plugin_utils.members import names
from ansible_collections.grove.wsgi.plugins.plugin_utils.shared_servers import CACHE

FLEET, MEMBERS = "fleet", "members"
"""The folders of playbooks with the work of a verb for an API host, and for hosts of a cluster."""
REPLACE, SCALE_IN = "replace", "scale_in"

Groups = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Asked:
    """What is asked of a verb. ``folder``: that with its playbook. ``problems``: why it is refused."""

    folder: str
    named: tuple[str, ...]
    problems: tuple[str, ...] = ()


def asked(groups: Groups, text: str, verb: str) -> Asked:
    """Return what the operator asks for. text: the names of hosts, with commas between them."""
    named = tuple(names(text))
    own = {host: groups_of(host, groups) for host in named}
    databases = [host for host in named if galera.GROUP in own[host]]
    if not databases:
        # The playbook of API hosts says what else it needs.
        brokers = [host for host in named if {API_HOSTS, message_bus.GROUP} <= set(own[host])]
        return Asked(FLEET, named, tuple(_several_groups(host, own[host], verb, "API hosts") for host in brokers))
    problems = [
        f"found -e host={host}; it has to be a host of the group {galera.GROUP}, as {databases[0]} is. In this"
        f" inventory, it has {', '.join(groups[galera.GROUP])}"
        for host in named
        if host not in databases
    ]
    problems += [f"found -e host={host} twice; name each host once" for host in set(named) if named.count(host) > 1]
    if verb == REPLACE and len(named) > 1:
        problems.append(
            f"found -e host={text}; replace works on one host, and the next one may follow when it serves. Until then,"
            f" name the others as lost: -e {galera.LOST}={','.join(named[1:])}"
        )
    if len(groups[galera.GROUP]) == 1:
        problems.append(f"host {databases[0]}: it is the only host of the group {galera.GROUP}, {_alone(verb)}")
    problems += [_several_groups(host, own[host], verb, "database hosts") for host in databases if len(own[host]) > 1]
    return Asked(MEMBERS, named, tuple(problems))


def groups_of(host: str, groups: Groups) -> tuple[str, ...]:
    """Return the groups of a host that say what it serves."""
    return tuple(group for group in (API_HOSTS, galera.GROUP, message_bus.GROUP) if host in (groups.get(group) or ()))


def updated_servers(groups: Groups, *, interrupt: bool) -> list[str]:
    """Return the hosts of servers that update_hosts updates one after the other, besides API hosts and load balancers.

    The database host that has the clients, which is the first one of its group, comes after the others. interrupt:
    whether a server that is the only one of its group is updated.
    """
    named = [
        host
        for group in (galera.GROUP, message_bus.GROUP, CACHE)
        for host in reversed(groups.get(group) or ())
        if not (set(groups.get(API_HOSTS) or ()) | set(groups.get(BALANCERS) or ())) & {host}
    ]
    alone = () if interrupt else lone_servers(groups)
    return [host for host in dict.fromkeys(named) if host not in alone]


def lone_servers(groups: Groups) -> dict[str, str]:
    """Return the hosts whose update interrupts what they serve, each with its group: those of a group of one host.

    API hosts are not among them.
    """
    return {
        groups[group][0]: group
        for group in (galera.GROUP, message_bus.GROUP)
        if len(groups.get(group) or ()) == 1 and groups[group][0] not in (groups.get(API_HOSTS) or ())
    }


def clusters_of(groups: Groups, host: str) -> dict[str, bool]:
    """Return for each group whose hosts make a cluster whether the host is a member of one."""
    return {
        group: len(groups.get(group) or ()) > 1 and host in groups[group] for group in (galera.GROUP, message_bus.GROUP)
    }


def cluster_hosts(groups: Groups) -> list[str]:
    """Return the hosts that are members of a cluster, each once."""
    hosts = dict.fromkeys(host for group in (galera.GROUP, message_bus.GROUP) for host in groups.get(group) or ())
    return [host for host in hosts if any(clusters_of(groups, host).values())]


def one_at_a_time(groups: Groups) -> bool:
    """Return whether an API host is a member of a cluster, of which only one may be away."""
    return any(any(clusters_of(groups, host).values()) for host in groups.get(API_HOSTS) or ())


def _several_groups(host: str, groups: tuple[str, ...], verb: str, kind: str) -> str:
    return (
        f"host {host}: it is in the groups {' and '.join(groups)}, and {verb} works on {kind} that are in no other"
        " group with data of its own; give the others hosts of their own. ./grove site sets up a host in all of its"
        " groups, a fresh machine in the place of a lost one, too"
    )


def _alone(verb: str) -> str:
    if verb == SCALE_IN:
        return "so nothing would be left without it"
    if verb == REPLACE:
        return "so its data were on it alone: install a fresh machine, and restore a backup (./grove restore)"
    return "so there is no cluster that another host could join. ./grove site makes one of three hosts or more"
