"""Which host's keys the hosts with keystone get, what a rotation does, and what is refused.

A token of one host has to count on all others, so all have the same keys. The decisions follow from digests alone: the
numbers of keys, and what the keys are, without the keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.grove.wsgi.plugins.module_utils.openstack.key_repository import (
    CREDENTIAL,
    FERNET,
    REPOSITORIES,
    STAGED,
    is_rotating,
)

LEAST_ACTIVE = 3
"""Keys that have to stay where hosts change one after the other: the staged one, and those of two rotations."""
ROTATE, COMPLETE, SPREAD = "rotate", "complete", "spread"
"""What a run of rotate_fernet does: a rotation; or the rest of one that was interrupted, on its first host and the
others, or on the others alone."""

Digests = Mapping[int, str]


@dataclass(frozen=True)
class Host:
    """What a run has read of a host. ``open``: whether others may read its keys, so that the modes have to change."""

    keys: Mapping[str, Digests]
    open: bool = False


@dataclass(frozen=True)
class Plan:
    """Which hosts change.

    ``sources``: the host that gives its keys, by repository; it makes those that it does not have. ``changing``: the
    hosts that get them, in their order; of a rotation, without the source. ``action``: what a rotation does.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    changing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    action: str = ""


def is_older(older: Digests, newer: Digests) -> bool:
    """Return whether rotations, or a part of one, lead from one set to the other.

    A rotation gives the staged key the next number, makes another staged key, and removes the keys of the lowest
    numbers. So the staged key of the older set is the key of the newer one that has the number behind the older set's
    last. A host that has missed so many rotations that this key is gone cannot be told from one of another set-up.
    """
    if STAGED not in older:
        # The first copy of keys that was interrupted.
        return older != newer and older.items() <= newer.items()
    shared = (set(older) & set(newer)) - {STAGED}
    if any(older[number] != newer[number] for number in shared):
        return False
    last, newest = max(older), max(newer)
    if newest > last:
        # In the middle of a rotation, the key of the last number is the one that was staged.
        return newer.get(last + 1) == older[STAGED] or (is_rotating(older) and newer.get(last) == older[last])
    if newest < last or last == STAGED:
        return False
    if newer.get(STAGED) == older[STAGED]:
        return set(newer) < set(older)
    # Its staged key has its number, and the newer set has the next staged key.
    return older[STAGED] == older[last] and STAGED in newer and set(newer) <= set(older)


def is_begun(keys: Digests, source: Digests) -> bool:
    """Return whether ``keys`` are a first copy of ``source`` that was interrupted."""
    return STAGED not in keys and keys.items() <= source.items()


@dataclass(frozen=True)
class Hosts:
    """The hosts with keystone.

    ``names``: all, in their order. ``read``: those that the run reaches. ``state``: the path of keystone's folder.
    """

    names: Sequence[str]
    read: Mapping[str, Host]
    state: str = "/var/lib/keystone"

    @property
    def present(self) -> list[str]:
        """The hosts that the run reaches, in their order."""
        return [host for host in self.names if host in self.read]

    @property
    def unread(self) -> list[str]:
        """The hosts that the run does not reach."""
        return [host for host in self.names if host not in self.read]

    def plan(self) -> Plan:
        """Return which host's keys the others get, before a deployment."""
        problems: list[str] = []
        candidates: dict[str, list[str]] = {}
        for name in REPOSITORIES:
            owners = [host for host in self.present if self.read[host].keys[name]]
            candidates[name] = [host for host in owners if self._fits_all(name, host, owners)]
            if owners and not candidates[name]:
                problems.append(self._differing(name, owners))
            elif not owners and self.present and self.unread:
                problems.append(
                    f"{', '.join(self.present)}: found no keys in {self.state}/{name}, and the run does not reach"
                    f" {', '.join(self.unread)}, where the keys may be; keys of another set-up would make each token of"
                    " one host invalid on the others. Start these hosts, and run without -l, which leaves hosts out"
                )
        if problems or not self.present:
            return Plan(problems=tuple(problems))
        both = [host for host in candidates[FERNET] if host in candidates[CREDENTIAL]]
        anyone = [*both, *candidates[FERNET], *candidates[CREDENTIAL], *self.present][0]
        sources = {name: [*both, *candidates[name], anyone][0] for name in REPOSITORIES}
        return Plan(sources, tuple(host for host in self.present if self._changes(host, sources)))

    def rotation(self) -> Plan:
        """Return what a rotation of the keys of tokens does. Every host has to be reached, and to have keys."""
        if self.unread:
            return Plan(
                problems=(
                    f"the run does not reach {', '.join(self.unread)}, and each host needs the new keys before another"
                    " one makes tokens with them; start it, and run without -l, which leaves hosts out. A lost host:"
                    " take it out of the group wsgi until it is back",
                )
            )
        empty = [host for host in self.names if not self.read[host].keys[FERNET]]
        if empty:
            return Plan(
                problems=(
                    f"{', '.join(empty)}: found no keys in {self.state}/{FERNET}; run ./grove site first, which gives"
                    " the keys of the other hosts to them, or makes the first ones",
                )
            )
        fitting = [host for host in self.names if self._fits_all(FERNET, host, self.names)]
        if not fitting:
            return Plan(problems=(self._differing(FERNET, self.names),))
        source = fitting[0]
        keys = self.read[source].keys[FERNET]
        others = tuple(host for host in self.names if host != source)
        if is_rotating(keys):
            return Plan({FERNET: source}, others, action=COMPLETE)
        behind = tuple(host for host in others if self.read[host].keys[FERNET] != keys)
        return Plan({FERNET: source}, behind or others, action=SPREAD if behind else ROTATE)

    def _fits_all(self, name: str, host: str, owners: Sequence[str]) -> bool:
        """Return whether every owner has the keys of ``host``, or may get them without a loss."""
        keys = self.read[host].keys[name]
        rule = is_older if name == FERNET else is_begun
        return all(
            self.read[other].keys[name] == keys or rule(self.read[other].keys[name], keys)
            for other in owners
            if other != host
        )

    def _changes(self, host: str, sources: Mapping[str, str]) -> bool:
        read = self.read[host]
        return read.open or any(
            STAGED not in read.keys[name] or read.keys[name] != self.read[source].keys[name]
            for name, source in sources.items()
        )

    def _differing(self, name: str, owners: Sequence[str]) -> str:
        """Return the message for sets of which none is the successor of all others."""
        sets: list[tuple[Digests, list[str]]] = []
        for host in owners:
            keys = self.read[host].keys[name]
            for other, hosts in sets:
                if other == keys:
                    hosts.append(host)
                    break
            else:
                sets.append((keys, [host]))
        found = "; ".join(
            f"{', '.join(hosts)} {'has' if len(hosts) == 1 else 'have'}"
            f" {', '.join(f'{number} ({text[:8]})' for number, text in sorted(keys.items()))}"
            for keys, hosts in sets
        )
        folder = f"{self.state}/{name}"
        if name == FERNET:
            reason = (
                "these are no two states of one rotation, so tokens of one host are invalid on another. Decide which"
                " hosts have the keys that count"
            )
        else:
            reason = (
                "what keystone has stored with one of these keys can be read with this key alone. Decide which hosts"
                " have the keys that count, and keep the others"
            )
        return (
            f"{folder}: the hosts have different keys (number, start of its SHA-256): {found}; {reason}. On the other"
            f" hosts, run: mv {folder} {folder}.former; then run ./grove site, which gives the keys to them"
        )
