"""The work of each step of the role ``wsgi_app`` on one host, as plain values for its tasks."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.release.prepared import key_of

from .. import sandbox
from .checking import Checked
from .hooks import has_lease
from .limits import AGENT_GIVE_BACK, AGENT_WATCHDOG, APACHE_LINE, COMMON_NAME_LENGTH, RANGES
from .placeholders import fill, values_of
from .places import every_address, is_name
from .record import Record
from .settings import Settings
from .views import apache_view, serving_view

# The shell of accounts to which nobody logs in.
NO_SHELL = "/usr/sbin/nologin"


SCRIPT = "slot.wsgi"
"""What Apache loads of each application, in the folder of the application."""


def steps(checked: Checked, settings: Settings, host: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the role's tasks loop over; ``host`` is what the module ``host_info`` returns."""
    deployed = checked.deployed
    written_before = host.get("httpd", {}).get("sites", ())
    by_site = _by_site(checked, written_before)
    # The VirtualHost has the certificate of one of its records, with the names of all.
    private = [
        record for sharing in by_site.values() if _deploys(checked, sharing) for record in sharing if record.private
    ]
    sites = site_files(checked, settings, written_before)
    return {
        "names": [record.name for record in deployed],
        "accounts": [account for record in deployed if (account := _account(record)) != _present(record, host)],
        "system_packages": _unique(package for record in deployed for package in record.keys.install.system_packages),
        "folders": [record.state for record in deployed] + [record.logs for record in deployed],
        "ports": _unique([*(record.port for record in deployed), *(port for *_, port in settings.every_door)]),
        "listen": sorted({*(record.listen_line for record in deployed), settings.door, *settings.httpd_listen}),
        "tls": any(record.tls != "off" for record in checked.written),
        "max_url": largest(checked.written, "max_url"),
        "max_header": largest(checked.written, "max_header"),
        "waf": any(record.waf != "off" for record in checked.written),
        "sites": sites,
        "former_sites": former_sites(sites, written_before),
        "scripts_beside": scripts_beside(sites, deployed),
        "authority": settings.tls_ca_dir,
        "certificates": [_certificate(record, by_site[record.site], settings) for record in private],
        "certificate_files": certificate_files(private, settings),
        "prepare": [_preparation(record) for record in deployed if record.keys.replace.prepare],
        "migrate": _hooks(deployed, "migrate"),
        "contract": _hooks(deployed, "contract"),
        "after": _hooks(deployed, "after"),
        "sandbox": sandbox_of_apache(checked.written, settings),
        "app_folders": sorted(record.folder for record in checked.written),
        "temporary_folders": sorted(f"{record.state}/tmp" for record in checked.written),
        "timers": timers(deployed, host),
        "agents": agents(deployed, host),
        "agents_before": agents(deployed, host, first=True),
        "stale_units": [] if settings.only else stale_units(checked.written, host.get("units", ())),
    }


def site_files(checked: Checked, settings: Settings, written_before: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Return what the template of each site file gets: a record, and the records that its VirtualHost mounts.

    written_before: the site files of the host. An application that this run does not deploy takes part if it has one.

    The first record of a VirtualHost has the mounts, by path; the others have none. Files are written for the deployed
    records, and for those that share a VirtualHost with one. Apache sends a request with an unknown host name to the
    VirtualHost that it reads first, so the file of a record without a server name sorts before those with one, and is
    written together with them. Beside records with names it answers to ``own_names`` and to addresses alone; where it
    is by itself, the list is empty.
    """
    named_ports = {record.port for record in checked.written if record.server_name}
    ports_with_new_names = {record.port for record in checked.deployed if record.server_name}
    files = {}
    for _, sharing in sorted(_by_site(checked, written_before).items()):
        for record in sharing:
            is_default = record.port in named_ports and not record.server_name
            if _deploys(checked, sharing) or (is_default and record.port in ports_with_new_names):
                mounts = sorted(sharing, key=lambda other: other.path.lower()) if record is sharing[0] else []
                name, name_of_default = site_names(record.name)
                # A run for one application leaves the sites of records that have left the inventory.
                stays_first = bool(settings.only) and not record.server_name and name_of_default in written_before
                files[name_of_default if is_default or stays_first else name] = {
                    "record": apache_view(record),
                    "mounts": [apache_view(mount) for mount in mounts],
                    "own_names": _unique(
                        ["localhost", settings.host_name, *([record.address] if is_name(record.address) else [])]
                    )
                    if is_default
                    else [],
                }
    return files


def _by_site(checked: Checked, written_before: Collection[str]) -> dict[str, list[Record]]:
    """Return the records of each VirtualHost: those that this run deploys, and those that the host has."""
    by_site: dict[str, list[Record]] = {}
    for record in checked.records:
        if record in checked.deployed or any(name in written_before for name in site_names(record.name)):
            by_site.setdefault(record.site, []).append(record)
    return by_site


def _deploys(checked: Checked, sharing: Iterable[Record]) -> bool:
    return any(record in checked.deployed for record in sharing)


def largest(records: Iterable[Record], key: str) -> int:
    """Return the largest limit of the head of a request, in bytes, that a record has; Apache's own where there is none.

    These are the records of the inventory, also of a run that deploys one application: Apache reads the head of a
    request before it knows for which record. A limit that the check refuses does not count.
    """
    limits = [getattr(record.keys.limits, key) for record in records]
    return max([limit for limit in limits if limit in RANGES[key]], default=APACHE_LINE)


def site_names(app: str) -> tuple[str, str]:
    """Return the two names that the site file of ``app`` may have; Apache reads the second one before all others."""
    return f"wsgi-{app}", f"wsgi-0-{app}"


def former_sites(sites: Mapping[str, Mapping[str, Any]], written_before: Collection[str]) -> list[str]:
    """Return the files that the host has of records that have a file of another name in ``sites``."""
    names = {name for site in sites.values() for name in site_names(site["record"]["name"])}
    return sorted(names.intersection(written_before) - sites.keys())


def scripts_beside(sites: Mapping[str, Mapping[str, Any]], deployed: Iterable[Record]) -> list[str]:
    """Return the scripts of applications that this run does not deploy and whose mounts are in the files of ``sites``.

    Their folders may be from an older Grove, which called the script that Apache loads otherwise.
    """
    folders = {mount["folder"] for site in sites.values() for mount in site["mounts"]}
    return [f"{folder}/{SCRIPT}" for folder in sorted(folders - {record.folder for record in deployed})]


def certificate_files(records: Iterable[Record], settings: Settings) -> dict[str, str]:
    """Return the files of private certificates: path below Apache's root on the host, and path on the controller."""
    folder = os.path.basename(settings.tls_dir)
    return {
        f"{folder}/{record.name}{suffix}": f"{settings.tls_ca_dir}/{settings.host_name}/{record.name}{suffix}"
        for record in records
        for suffix in (".crt", ".key")
    }


def sandbox_of_apache(records: Iterable[Record], settings: Settings) -> dict[str, Any]:
    """Return what the daemon processes of all records need of Apache's unit, as directives of systemd.

    These are the records of the inventory, also of a run that deploys one application: its neighbours run on.
    """
    places: sandbox.Value = tuple(sorted({settings.state_base, settings.log_base}))
    needed = [
        sandbox.needed_by(
            record.keys.run.sandbox,
            [*_read_paths(record), record.state, record.logs, *filter(None, (record.tls_certificate, record.tls_key))],
            record.daemon_options,
        )
        for record in records
    ]
    return sandbox.laxest([{"ReadWritePaths": places}, *needed])


def timers(records: Iterable[Record], host: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the values of each timer's units."""
    return [
        {**_unit(record, name), "timer": name, "schedule": timer.schedule, "sandbox": _sandbox(record, host)}
        for record in records
        for name, timer in sorted(record.timers.items())
    ]


def agents(records: Iterable[Record], host: Mapping[str, Any], *, first: bool = False) -> list[dict[str, Any]]:
    """Return each record with agents: its serving view, and the values of each agent's unit.

    ``first``: only records with an agent that may restart before the switch. All agents of a record belong together.
    """
    return [
        {
            "record": serving_view(record),
            "units": {
                name: {
                    **_unit(record, name),
                    "agent": name,
                    "watchdog": AGENT_WATCHDOG if has_lease(record, agent) else None,
                    "stop_timeout": agent.stop_timeout + (AGENT_GIVE_BACK if has_lease(record, agent) else 0),
                    "sandbox": _sandbox(record, host),
                }
                for name, agent in sorted(record.agents.items())
            },
        }
        for record in records
        if any(agent.restart != "after" or not first for agent in record.agents.values())
    ]


def stale_units(records: Iterable[Record], units: Iterable[str]) -> list[str]:
    """Return the units on the host, by path, of timers and agents that no record has."""
    current = {_unit(record, name)["unit"] for record in records for name in (*record.timers, *record.agents)}
    return [
        path for path in units if os.path.basename(path).removesuffix(".service").removesuffix(".timer") not in current
    ]


def deployed_services(
    services: Mapping[str, Sequence[Any]], only: Sequence[str], with_tasks: Collection[str]
) -> list[str]:
    """Return the services that this run deploys and whose roles have tasks of a kind.

    services: each service's records by its name. with_tasks: names of the roles with such tasks.
    """
    return [
        service
        for service, records in services.items()
        if service in with_tasks
        and (not only or any(isinstance(record, Mapping) and record.get("name") in only for record in records))
    ]


def _account(record: Record) -> dict[str, Any]:
    """Return the account that an application is to have, as the module ``host_info`` describes one."""
    values = {"group": record.account, "home": record.state, "shell": NO_SHELL}
    return {"name": record.account, **values, "comment": f"WSGI application {record.account}"}


def _present(record: Record, host: Mapping[str, Any]) -> dict[str, Any]:
    """Return the account that the host has for an application, as ``_account`` describes one."""
    present = host.get("accounts", {}).get(record.account) or {}
    return {"name": record.account, **{key: value for key, value in present.items() if key != "uid"}}


def _sandbox(record: Record, host: Mapping[str, Any]) -> list[dict[str, str]]:
    return sandbox.program_unit(
        record.keys.run.sandbox,
        (record.state, record.logs),
        _read_paths(record),
        own_mounts=bool(host.get("mount_namespaces")),
        call_filters=bool(host.get("call_filters")),
    )


def _read_paths(record: Record) -> tuple[str, ...]:
    return (record.folder, record.home, record.python)


def _unit(record: Record, name: str) -> dict[str, str]:
    return {"app": record.name, "unit": f"grove-{record.name}-{name}", "run": f"{record.folder}/run"}


def _hooks(records: Iterable[Record], hook: str) -> list[dict[str, Any]]:
    return [
        {"name": record.name, "on_every_host": record.keys.replace.migrate_on == "every_host"}
        for record in records
        if getattr(record.keys.replace, hook)
    ]


def _preparation(record: Record) -> dict[str, Any]:
    """Return the names by which a host remembers the command lines of a record's ``prepare``."""
    written = record.keys.replace.prepare
    lines = fill([written] if isinstance(written, str) else written, values_of(record))
    return {"name": record.name, "lines": [key_of(line) for line in lines]}


def _certificate(record: Record, sharing: Iterable[Record], settings: Settings) -> dict[str, Any]:
    name = record.server_name or settings.host_name
    own = record.address.strip("[]")
    address = [] if every_address(own) else [f"DNS:{own}" if is_name(own) else f"IP:{own}"]
    others = (alias for other in sharing if other is not record for alias in other.keys.reach.server_aliases)
    names = _unique(filter(None, (name, *record.keys.reach.server_aliases, *others, record.balanced_name)))
    return {
        "name": record.name,
        "common_name": name[:COMMON_NAME_LENGTH],
        "alternative_names": [*(f"DNS:{host_name}" for host_name in names), *address],
    }


def _unique(values: Iterable[Any]) -> list[Any]:
    """Return the values in their order, each once."""
    return list(dict.fromkeys(values))
