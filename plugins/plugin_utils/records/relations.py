"""Checking the records of a host against each other: names, ports, host names, paths, TLS.

A problem of several records stands at a later one. Its remedy names the first of the others, and ``others`` names all.
"""

from __future__ import annotations

from collections.abc import Sequence

from .places import every_address
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
    for record in listening:
        if record.port == settings.door_port:
            remedy = "wsgi_app_door uses that port; choose another for one of them"
            problems.add(record.name, "listen", f"port {settings.door_port}", remedy)
    _check_host_names(listening, problems)
    for port in sorted({record.port for record in listening}):
        _check_port([record for record in listening if record.port == port], problems)


def _check_host_names(records: Sequence[Record], problems: Problems) -> None:
    by_name: dict[tuple[str, int, str], list[Record]] = {}
    for record in records:
        for host_name in record.host_names:
            by_name.setdefault((record.address, record.port, host_name), []).append(record)
    for (_, port, host_name), sharing in by_name.items():
        first = sharing[0]
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
                others = tuple(one.name for one in sharing if one.site != record.site)
                problems.add(record.name, "server_name", actual, remedy, others)
            elif _tls(record) != _tls(first):
                remedy = f"{first.name} shares the VirtualHost and says {_tls(first)}; both have to say the same"
                others = tuple(one.name for one in sharing if _tls(one) != _tls(record))
                problems.add(record.name, "tls", _tls(record), remedy, others)
            if record.site == first.site and record.waf != first.waf:
                remedy = f"{first.name} shares the VirtualHost and says {first.waf}; both have to say the same"
                others = tuple(one.name for one in sharing if one.waf != record.waf)
                problems.add(record.name, "waf", record.waf, remedy, others)


def _tls(record: Record) -> str:
    return f"given ({record.tls_certificate})" if record.tls == "given" else record.tls


def _check_port(records: Sequence[Record], problems: Problems) -> None:
    first, port = records[0], records[0].port
    for record in records[1:]:
        if (record.tls == "off") != (first.tls == "off"):
            actual = f"{record.tls} on port {port}"
            remedy = f"{first.name} says {first.tls} there; a port is with TLS or without, not both"
            others = tuple(one.name for one in records if (one.tls == "off") != (record.tls == "off"))
            problems.add(record.name, "tls", actual, remedy, others)
    everywhere = next((record for record in records if every_address(record.address)), None)
    if everywhere is None:
        return
    for record in records:
        if record.address != everywhere.address:
            remedy = f"{everywhere.name} listens on every address of that port; use one or the other"
            others = tuple(one.name for one in records if _listens_twice(one.address, record.address))
            problems.add(record.name, "listen", f"{record.address}:{port}", remedy, others)


def _listens_twice(one: str, other: str) -> bool:
    """Return whether a port cannot have sockets of both addresses."""
    return one != other and (every_address(one) or every_address(other))
