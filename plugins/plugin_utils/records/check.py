"""Checking the records of ``wsgi_apps`` and completing them with all that follows from them.

Types, choices and defaults come from the entry point ``record`` of the role's argument specs. What specs cannot say
stands in the modules beside this one: ranges, and the relations between keys, between records, and between a record and
its host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .daemon import check_daemon
from .files import check_entry, check_files, kind_of
from .hooks import check_hooks
from .host import check_host
from .places import check_place, complete, good_addresses, ip_address
from .problems import ALL, Check, shown
from .relations import check_relations
from .settings import Settings
from .spec import Spec, against_spec

# What switching needs; the rest of a record may hold secrets and stays on the controller.
SERVING = (
    *("name", "folder", "account", "processes", "health_path", "start_timeout", "idle", "drain_timeout"),
    *("address", "port", "server_name", "tls", "url", "door", "doors"),
)


def check(records: object, spec: Spec, settings: Settings, host: Mapping[str, Any] | None = None) -> Check:
    """Check ``records`` against ``spec`` (the options of the entry point), each other, and the host where given.

    ``host`` is what the module ``host_info`` returns. Without it only what the controller can see is checked.
    """
    result = Check()
    if not isinstance(records, list):
        result.add(ALL, "wsgi_apps", shown(records), "it has to be a list of records")
        return result
    for position, raw in enumerate(records, start=1):
        known = len(result.problems)
        record = against_spec(raw, position, spec, result)
        if record is not None and len(result.problems) == known:
            result.records.append(record)
    if not good_addresses(settings, result):
        return result
    cores = int(host["cores"]) if host else 2
    for record in result.records:
        record["kind"] = kind_of(record["entry"])
        complete(record, settings, result)
        check_entry(record, result)
        check_files(record, settings, result)
        check_daemon(record, settings, cores, result)
        check_hooks(record, result)
        check_place(record, result)
    check_relations(result, settings)
    if host is not None:
        check_host(result, settings, host)
    for record in result.records:
        record["serving"] = {key: record[key] for key in SERVING}
    return result


def questions(records: object, settings: Settings) -> dict[str, list[Any]]:
    """Return what the module ``host_info`` has to be asked for these records, which may still be wrong."""
    given = [record for record in records if isinstance(record, Mapping)] if isinstance(records, list) else []

    def texts(key: str) -> list[str]:
        return sorted({record[key] for record in given if isinstance(record.get(key), str) and record[key]})

    places = [str(record.get("listen", "")).rpartition(":")[0] for record in given]
    places += [settings.listen_address, settings.door_address]
    pairs = [
        [record["tls_certificate"], record["tls_key"]]
        for record in given
        if isinstance(record.get("tls_certificate"), str) and isinstance(record.get("tls_key"), str)
    ]
    return {
        "pythons": sorted({settings.python, settings.mod_wsgi_python, *texts("python")}),
        "accounts": texts("name"),
        "addresses": sorted({place.strip("[]") for place in places if ip_address(place) is not None}),
        "folders": [f"{base}/{name}" for name in texts("name") for base in (settings.state_base, settings.log_base)],
        "files": sorted({*texts("tls_certificate"), *texts("tls_key")}),
        "key_pairs": pairs,
    }
