"""Checking the records of a host: each record, the relations between them, and the host.

Where only some records are deployed, the problems that concern none of these are warnings, and a record with a fault in
what Apache gets takes no part in Apache's configuration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..mpm import Machine, MpmError
from .completing import USUAL_CORES, complete
from .daemon import check_daemon, check_sandbox
from .files import check_entry, check_files
from .health import check_health
from .hooks import check_hooks
from .host import check_host
from .pinning import unlocked, unpinned
from .places import check_addresses, check_authority, check_place
from .problems import ALL, FAILED_TEMPLATES, Problem, Problems, shown
from .record import Record
from .relations import check_relations
from .requests import check_requests
from .settings import Settings
from .spec import Spec, Written, read_record

# Groups of keys that have no part in Apache's configuration. The name has, although it stands in one of them.
NOT_APACHE = ("install", "make", "replace")


@dataclass(frozen=True)
class Checked:
    """The result of a check; with problems, nothing may be deployed.

    written: every record that has a name, also with faults. records: those that Apache's configuration may hold.
    deployed: those of ``records`` that this run deploys. warnings: problems that concern none of these.
    advice: what the operator should change in deployed records, and what the run does not refuse.
    """

    written: tuple[Record, ...] = ()
    records: tuple[Record, ...] = ()
    deployed: tuple[Record, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    advice: tuple[Problem, ...] = ()


def check_records(records: object, spec: Spec, settings: Settings, host: Mapping[str, Any] | None = None) -> Checked:
    """Check ``records`` against ``spec`` (see ``record_spec``), each other, and the host where there is one.

    ``host`` is what the module ``host_info`` returns. Without it only what the controller can see is checked.
    """
    problems = Problems()
    if isinstance(records, Mapping) and FAILED_TEMPLATES in records:
        [reason] = records[FAILED_TEMPLATES].values()
        problems.add(ALL, "wsgi_apps", f"a template that fails ({reason})", "define what it reads, or correct it")
        return Checked(problems=tuple(problems))
    if not isinstance(records, (list, tuple)):
        problems.add(ALL, "wsgi_apps", shown(records), "it has to be a list of records")
        return Checked(problems=tuple(problems))
    read = [read_record(raw, position, spec, problems) for position, raw in enumerate(records, start=1)]
    written = [one for one in read if one is not None]
    _check_only(written, settings, problems)
    check_sandbox(ALL, "httpd_sandbox", settings.sandbox, problems)
    if not check_addresses(settings, problems):
        return Checked(problems=tuple(problems))
    completed = [complete(one.keys, settings, host) for one in written]
    valid = [record for record, one in zip(completed, written, strict=True) if one.is_valid]
    _check_each(valid, settings, host, problems)
    check_relations(valid, settings, problems)
    check_authority(valid, settings, problems)
    if host is not None:
        check_host(valid, settings, host, problems)
    if settings.require_hashes:
        for record in valid:
            problems += [*unpinned(record), *unlocked(record)]
    invalid = {one.name for one in written if not one.is_valid}
    result = _result(completed, invalid, spec, settings, problems)
    advice = [] if settings.require_hashes else [one for record in result.deployed for one in unpinned(record)]
    return dataclasses.replace(result, advice=tuple(advice))


def _check_only(written: Sequence[Written], settings: Settings, problems: Problems) -> None:
    names = [one.name for one in written]
    for name in settings.only:
        if name not in names:
            remedy = f"no record is called that; there are {', '.join(names) or 'none'}"
            problems.add(ALL, "wsgi_app_only", shown(name), remedy)


def _check_each(
    records: Sequence[Record], settings: Settings, host: Mapping[str, Any] | None, problems: Problems
) -> None:
    machine = Machine.of(host) if host else Machine(USUAL_CORES)
    workers = None
    try:
        workers = settings.mpm(machine).workers
    except MpmError as error:
        problems.add(ALL, error.name, str(error.number), f"it has to be from 0 to {error.most}")
    for record in records:
        check_entry(record, problems)
        check_files(record, settings, problems)
        check_daemon(record, settings, workers, problems)
        check_hooks(record, problems)
        check_place(record, problems)
        check_requests(record, problems)
        check_health(record, settings, problems)


def _result(
    completed: Sequence[Record], invalid: set[str], spec: Spec, settings: Settings, problems: Problems
) -> Checked:
    """Divide the problems. ``invalid`` names the records that the specs refuse, and that no other check has seen."""
    if not settings.only:
        records = tuple(completed)
        return Checked(records, records, records, tuple(problems))
    not_apache = {key for group in NOT_APACHE for key in spec.get(group, {})} - {"name"}
    in_apache = {problem for problem in problems if problem.record in invalid or _top(problem.key) not in not_apache}
    faulty_keys: dict[str, set[str]] = {}
    for problem in in_apache:
        faulty_keys.setdefault(problem.record, set()).add(_top(problem.key))
    by_name: dict[str, list[Record]] = {}
    for record in completed:
        by_name.setdefault(record.name, []).append(record)
    chosen = [record for record in completed if record.name in settings.only]
    sharing = {
        name: sorted({one.name for one in chosen for other in by_name.get(name, ()) if _may_share(other, keys, one)})
        for name, keys in faulty_keys.items()
    }
    stopping: list[Problem] = []
    warnings: list[Problem] = []
    for problem in problems:
        concerned = problem
        if problem in in_apache:
            concerned = dataclasses.replace(problem, others=(*problem.others, *sharing[problem.record]))
        (stopping if concerned.concerns(settings.only) else warnings).append(problem)
    left_out = {problem.record for problem in in_apache}
    records = tuple(record for record in completed if record.name not in left_out)
    deployed = tuple(record for record in records if record.name in settings.only)
    return Checked(tuple(completed), records, deployed, tuple(stopping), tuple(warnings))


def _top(key: str) -> str:
    """Return ``agents`` for ``agents.worker.command``."""
    return key.split(".")[0].split("[")[0]


def _may_share(faulty: Record, faulty_keys: set[str], chosen: Record) -> bool:
    """Return whether the VirtualHost of ``chosen``, which is written anew, may have to hold ``faulty``.

    Without the one that is faulty, the running Apache would lose its mount.
    """
    if not faulty.port:
        return faulty.path != chosen.path and not set(faulty.host_names).isdisjoint(chosen.host_names)
    if faulty_keys & {"server_name", "server_aliases"}:
        return (faulty.address, faulty.port) == (chosen.address, chosen.port)
    return faulty.site == chosen.site
