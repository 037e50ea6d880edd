"""Checking the records of a host against each other: names, ports, host names, paths, TLS.

A problem of several records stands at a later one. Its remedy names the first of the others, and ``others`` names those
that this run deploys: they decide whether the problem stops it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .places import every_address, is_name
from .problems import Problems
from .record import Record
from .settings import Settings


def check_relations(records: Sequence[Record], settings: Settings, problems: Problems) -> None:
    """Check what no record can show alone; a record without a usable port is left out."""
    seen: set[str] = set()
    for record in records:
        if record.name in seen:
            actual = f"{record.name!r} for the second time"
            problems.add(record.name, "name", actual, "every record has a name of its own")
        seen.add(record.name)
    listening = [record for record in records if record.port]
    doors = {port: key for key, _, _, port in reversed(settings.every_door)}
    for record in listening:
        if record.port in doors:
            remedy = f"{doors[record.port]} uses that port; choose another for one of them"
            problems.add(record.name, "listen", f"port {record.port}", remedy)
    _check_units(records, problems)
    _check_host_names(listening, settings.only, problems)
    by_port: dict[int, list[Record]] = {}
    for record in listening:
        by_port.setdefault(record.port, []).append(record)
    for _, sharing in sorted(by_port.items()):
        _check_port(sharing, settings.only, problems)


def _check_units(records: Sequence[Record], problems: Problems) -> None:
    """Check that no two records have a unit of one name: an application's name may have hyphens, too."""
    owners: dict[str, Record] = {}
    for record in records:
        for key, names in (("agents", record.agents), ("timers", record.timers)):
            for name in names:
                unit = f"{record.name}-{name}"
                owner = owners.setdefault(unit, record)
                if owner is not record and owner.name != record.name:
                    remedy = f"{owner.name} has a unit of that name; give the agent or timer another name"
                    problems.add(record.name, f"{key}.{name}", f"the unit grove-{unit}", remedy, (owner.name,))


def _check_host_names(records: Sequence[Record], only: Collection[str], problems: Problems) -> None:
    by_name: dict[tuple[str, int, str], list[Record]] = {}
    for record in records:
        for host_name in record.host_names:
            by_name.setdefault((record.address, record.port, host_name), []).append(record)
    for (_, port, host_name), sharing in by_name.items():
        first, chosen = sharing[0], [record for record in sharing if record.name in only]
        by_path: dict[str, Record] = {}
        for record in sharing:
            other = by_path.setdefault(record.path, record)
            if other is not record:
                actual = f"port {port}" + (f" and the name {host_name}" if host_name else " and no server_name")
                remedy = f"{other.name} has the same; give one of them another port, a server_name or a path"
                problems.add(record.name, "listen", actual, remedy, (other.name,))
            elif record.site != first.site:
                owner = f"{first.name}, whose server_name is {first.server_name},"
                remedy = f"{owner} has that name too; give both the same server_name"
                actual = f"port {port} and the name {host_name}"
                others = tuple(one.name for one in chosen if one.site != record.site)
                problems.add(record.name, "server_name", actual, remedy, others)
            elif _tls(record) != _tls(first):
                remedy = f"{first.name} shares the VirtualHost and says {_tls(first)}; both have to say the same"
                others = tuple(one.name for one in chosen if _tls(one) != _tls(record))
                problems.add(record.name, "tls", _tls(record), remedy, others)
            if record.site == first.site and record.waf != first.waf:
                remedy = f"{first.name} shares the VirtualHost and says {first.waf}; both have to say the same"
                others = tuple(one.name for one in sharing if one.waf != record.waf)
                problems.add(record.name, "waf", record.waf, remedy, others)


def _tls(record: Record) -> str:
    return f"given ({record.keys.reach.tls_certificate})" if record.tls == "given" else record.tls


def _check_port(records: Sequence[Record], only: Collection[str], problems: Problems) -> None:
    first, port = records[0], records[0].port
    chosen = [record for record in records if record.name in only]
    for record in records[1:]:
        if (record.tls == "off") != (first.tls == "off"):
            actual = f"{record.tls} on port {port}"
            remedy = f"{first.name} says {first.tls} there; a port is with TLS or without, not both"
            others = tuple(one.name for one in chosen if (one.tls == "off") != (record.tls == "off"))
            problems.add(record.name, "tls", actual, remedy, others)
    by_name = next((record for record in records if is_name(record.address)), None)
    if by_name is not None:
        for record in records:
            if record.address != by_name.address:
                # The name may stand for the same address, and Apache cannot bind it twice.
                remedy = f"{by_name.name} listens on the name {by_name.address} there; write the same for both"
                others = tuple(one.name for one in chosen if one.address != record.address)
                problems.add(record.name, "listen", f"{record.address}:{port}", remedy, others)
        return
    everywhere = next((record for record in records if every_address(record.address)), None)
    if everywhere is None:
        return
    for record in records:
        if record.address != everywhere.address:
            remedy = f"{everywhere.name} listens on every address of that port; use one or the other"
            others = tuple(one.name for one in chosen if _listens_twice(one.address, record.address))
            problems.add(record.name, "listen", f"{record.address}:{port}", remedy, others)


def _listens_twice(one: str, other: str) -> bool:
    """Return whether a port cannot have sockets of both addresses."""
    return one != other and (every_address(one) or every_address(other))
