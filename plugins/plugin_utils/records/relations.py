"""The records of a host against each other: names, ports, host names, paths, TLS."""

from __future__ import annotations

from typing import Any

from .places import every_address
from .problems import Check
from .settings import Settings

Record = dict[str, Any]


def check_relations(result: Check, settings: Settings) -> None:
    """Check what no record can show alone; records whose address is unusable are left out."""
    seen: set[str] = set()
    for record in result.records:
        if record["name"] in seen:
            found = f"{record['name']!r} for the second time"
            result.add(record["name"], "name", found, "every record has a name of its own")
        seen.add(record["name"])
    listening = [record for record in result.records if record["port"]]
    for record in listening:
        if record["port"] == settings.door_port:
            right = "wsgi_app_door uses that port; choose another for one of them"
            result.add(record["name"], "listen", f"port {settings.door_port}", right)
    _check_host_names(listening, result)
    for port in sorted({record["port"] for record in listening}):
        _check_port([record for record in listening if record["port"] == port], result)


def _check_host_names(records: list[Record], result: Check) -> None:
    by_name: dict[tuple[str, int, str], list[Record]] = {}
    for record in records:
        names = {(record["server_name"] or "").lower(), *(alias.lower() for alias in record["server_aliases"])}
        for host_name in sorted(names):
            by_name.setdefault((record["address"], record["port"], host_name), []).append(record)
    for (_, port, host_name), sharing in by_name.items():
        first = sharing[0]
        by_path: dict[str, Record] = {}
        for record in sharing:
            other = by_path.setdefault(record["path"], record)
            if other is not record:
                at = f"port {port}" + (f" and the name {host_name}" if host_name else " and no server_name")
                right = f"{other['name']} has the same; give one of them another port, a server_name or a path"
                result.add(record["name"], "listen", at, right)
            elif record["site"] != first["site"]:
                owner = f"{first['name']}, whose server_name is {first['server_name']},"
                right = f"{owner} has that name too; give both the same server_name"
                result.add(record["name"], "server_name", f"port {port} and the name {host_name}", right)
            elif _tls(record) != _tls(first):
                right = f"{first['name']} shares the VirtualHost and says {_tls(first)}; both have to say the same"
                result.add(record["name"], "tls", _tls(record), right)


def _tls(record: Record) -> str:
    return f"given ({record['tls_certificate']})" if record["tls"] == "given" else str(record["tls"])


def _check_port(records: list[Record], result: Check) -> None:
    first, port = records[0], records[0]["port"]
    for record in records[1:]:
        if (record["tls"] == "off") != (first["tls"] == "off"):
            found = f"{record['tls']} on port {port}"
            right = f"{first['name']} says {first['tls']} there; a port is with TLS or without, not both"
            result.add(record["name"], "tls", found, right)
    everywhere = next((record for record in records if every_address(record["address"])), None)
    if everywhere is None:
        return
    for record in records:
        if record["address"] != everywhere["address"]:
            right = f"{everywhere['name']} listens on every address of that port; use one or the other"
            result.add(record["name"], "listen", f"{record['address']}:{port}", right)
