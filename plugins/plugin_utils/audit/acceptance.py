"""Findings that the operator has judged and accepts until a day, as a VEX document does it."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError

KEYS = ("id", "reason", "until")
OPTIONAL = ("package",)


class AcceptanceError(OperatorError):
    """The variable ``audit_accepted`` cannot be used; the message names each fault."""


@dataclass(frozen=True)
class Accepted:
    """One accepted finding: its id or an alias of it, why, and the last day on which it is accepted.

    ``package`` limits it to one package; empty for all.
    """

    identifier: str
    reason: str
    until: datetime.date
    package: str = ""


def read(entries: object) -> list[Accepted]:
    """Return the entries of ``audit_accepted``. Raises AcceptanceError with every fault."""
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise AcceptanceError("audit_accepted has to be a list of dictionaries with id, reason and until")
    faults: list[str] = []
    accepted = [_entry(entry, f"audit_accepted[{number}]", faults) for number, entry in enumerate(entries)]
    if faults:
        raise AcceptanceError("\n".join(faults))
    return [one for one in accepted if one is not None]


def find(accepted: Collection[Accepted], names: Collection[str], package: str, today: datetime.date) -> Accepted | None:
    """Return the entry that accepts a finding with one of these names today."""
    wanted = {name.upper() for name in names}
    matching = [one for one in accepted if one.identifier.upper() in wanted and one.package in ("", package)]
    return next((one for one in matching if today <= one.until), None)


def _entry(entry: object, place: str, faults: list[str]) -> Accepted | None:
    if not isinstance(entry, Mapping):
        faults.append(f"{place}: found {entry!r}; it has to be a dictionary with id, reason and until")
        return None
    before = len(faults)
    unknown = [str(key) for key in entry if key not in (*KEYS, *OPTIONAL)]
    faults += [f"{place}.{key}: there is no such key; the keys are {', '.join((*KEYS, *OPTIONAL))}" for key in unknown]
    for key in ("id", "reason"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            faults.append(f"{place}.{key}: found {entry.get(key)!r}; it has to be a text")
    if not isinstance(entry.get("package", ""), str):
        faults.append(f"{place}.package: found {entry['package']!r}; it has to be the name of a package")
    until = _day(entry.get("until"))
    if until is None:
        faults.append(f"{place}.until: found {entry.get('until')!r}; it has to be a day, such as 2027-01-31")
    if until is None or len(faults) > before:
        return None
    return Accepted(str(entry["id"]).strip(), str(entry["reason"]).strip(), until, str(entry.get("package", "")))


def _day(value: Any) -> datetime.date | None:
    # YAML makes a date of the text. A date with a time is a date for Python, too.
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        return None
