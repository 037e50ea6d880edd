"""The result of an audit: the software of each host, compared with what is known of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import acceptance, limits
from .advisories import Advisories, Pinned

CONTROLLER = "(controller)"
"""In the place of a host's name."""
CLEAN, UNKNOWN, VULNERABLE = "clean", "unknown", "vulnerable"
HEAD = ("part", "release", "package", "installed", "finding", "without it")

Result = dict[str, Any]


def questions(hosts: Mapping[str, Mapping[str, Any]]) -> set[Pinned]:
    """Return name and version of each package that came from an index, on any host."""
    return {
        (name, version)
        for software in hosts.values()
        for part in software["parts"]
        for name, version in part["packages"].items()
    }


def judge(
    hosts: Mapping[str, Mapping[str, Any]],
    missing: Sequence[str],
    advisories: Advisories,
    accepted: Sequence[acceptance.Accepted],
    today: datetime.date,
) -> Result:
    """Return the report. ``hosts`` has the result of the module ``software``, and ``missing`` names hosts without one.

    A host's verdict is ``vulnerable`` when something that serves has a finding that is not accepted, ``unknown`` when
    something that serves was not looked up, and ``clean`` when neither is so.
    """
    judged = {name: _host(software, advisories, accepted, today) for name, software in hosts.items()}
    judged |= {name: {"verdict": UNKNOWN, "problems": ["the host was not read"], "parts": []} for name in missing}
    verdicts = {host["verdict"] for host in judged.values()}
    verdict = next((one for one in (VULNERABLE, UNKNOWN) if one in verdicts), CLEAN)
    ended = [
        {"id": one.identifier, "reason": one.reason, "until": one.until.isoformat()}
        for one in accepted
        if one.until < today
    ]
    database = {"problem": advisories.problem or None, "packages": len(questions(hosts))}
    return {"verdict": verdict, "database": database, "ended": ended, "hosts": judged}


def _host(
    software: Mapping[str, Any],
    advisories: Advisories,
    accepted: Sequence[acceptance.Accepted],
    today: datetime.date,
) -> Result:
    parts = [_part(part, advisories, accepted, today) for part in software["parts"]]
    serving = [part for part in parts if part["serves"]]
    debian = software.get("debian")
    updates = [
        {**update, "accepted": _acceptance(accepted, [f"debian:{update['package']}"], "", today)}
        for update in (debian or {}).get("security", [])
    ]
    problems = [*software.get("problems", []), *(debian or {}).get("problems", [])]
    open_findings = [one for part in serving for one in part["vulnerable"] if one["accepted"] is None]
    open_updates = [update for update in updates if update["accepted"] is None]
    changed = [part for part in serving if part["changed"]]
    unknown = [name for part in serving for name in part["unknown"]]
    found = open_findings or open_updates or changed
    verdict = VULNERABLE if found else UNKNOWN if unknown or problems else CLEAN
    result = {"verdict": verdict, "parts": parts, "problems": problems}
    return result if debian is None else {**result, "debian": {**debian, "security": updates}}


def _part(
    part: Mapping[str, Any],
    advisories: Advisories,
    accepted: Sequence[acceptance.Accepted],
    today: datetime.date,
) -> Result:
    pinned = sorted(part["packages"].items())
    vulnerable = [
        {
            "package": name,
            "installed": version,
            "id": one.name,
            "aliases": list(one.aliases),
            "fixed_in": list(one.fixed_in),
            "accepted": _acceptance(accepted, [one.name, *one.aliases], name, today),
        }
        for name, version in pinned
        for one in advisories.vulnerable.get((name, version), [])
    ]
    unknown = {f"{one[0]} {one[1]}": advisories.unknown[one] for one in pinned if one in advisories.unknown}
    return {**part, "vulnerable": vulnerable, "unknown": unknown}


def _acceptance(
    accepted: Sequence[acceptance.Accepted], names: Sequence[str], package: str, today: datetime.date
) -> dict[str, str] | None:
    found = acceptance.find(accepted, names, package, today)
    return None if found is None else {"reason": found.reason, "until": found.until.isoformat()}


def text(report: Mapping[str, Any]) -> list[str]:
    """Return the report as lines: a table for each host, its problems, and the verdict."""
    lines = []
    for name, host in report["hosts"].items():
        lines += [f"{name}: {host['verdict']}", *_table(list(_rows(host))), *_notes(host, report), ""]
    if report["database"]["problem"]:
        lines.append(f"PROBLEM: Python packages were not looked up: {report['database']['problem']}")
    for one in report["ended"]:
        lines.append(f"NOTE: the acceptance of {one['id']} ended on {one['until']}: {one['reason']}")
    return [*lines, f"verdict: {report['verdict']}"]


def _rows(host: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for part in host["parts"]:
        label = part["release"] or "-"
        for one in part["vulnerable"]:
            other = next((alias for alias in one["aliases"] if alias.startswith("CVE-")), "")
            finding = f"{one['id']}{f' ({other})' if other else ''}{_suffix(one, part['serves'])}"
            fixed = ", ".join(one["fixed_in"]) or "no version yet"
            yield part["part"], label, one["package"], one["installed"], finding, fixed
    for update in host.get("debian", {}).get("security", []):
        users = f", used by {', '.join(update['used_by'])}" if update["used_by"] else ""
        finding = f"security update{users}{_suffix(update, serves=True)}"
        yield "Debian", "-", update["package"], update["installed"], finding, update["available"]


def _suffix(finding: Mapping[str, Any], serves: bool) -> str:
    if finding["accepted"]:
        return f", accepted until {finding['accepted']['until']}: {finding['accepted']['reason']}"
    return "" if serves else ", does not serve"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    if not rows:
        return []
    cells = [HEAD, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
    return [f"  {line}".rstrip() for line in lines]


def _notes(host: Mapping[str, Any], report: Mapping[str, Any]) -> Iterator[str]:
    for problem in host["problems"]:
        yield f"  PROBLEM: {problem}"
    for part in host["parts"]:
        label = f"{part['part']} {part['release'] or ''}".strip()
        for change in part["changed"]:
            yield f"  PROBLEM: {label} is not as it was built: {change}"
        if part["unknown"] and not report["database"]["problem"]:
            yield f"  {label}: the database does not know {_names(part['unknown'])}"
        if part["serves"] and not part["locked"]:
            yield f"  {label}: the record has no lock; ./grove lock -e app={part['part']} makes one"
        if part["serves"] and part["own"]:
            own = [f"{name} {version}" for name, version in sorted(part["own"].items())]
            yield f"  {label}: not from an index, and not looked up: {_names(own)}"
    debian = host.get("debian")
    if debian and debian["others"]:
        yield f"  Debian: {debian['others']} other updates"


def _names(names: Sequence[str] | Mapping[str, str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - limits.SHOWN_NAMES} more" if len(listed) > limits.SHOWN_NAMES else ""
    return ", ".join(listed[: limits.SHOWN_NAMES]) + more
