"""The problems of records, in words for the person who wrote them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, SupportsIndex

from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account

from .limits import ACTUAL_SHOWN_LENGTH, NAME_SHOWN_LENGTH, REMEDY_SHOWN_LENGTH, SHOWN_LENGTH

# In the place of a record's name: the problem concerns every record of the host.
ALL = "(all)"
# In the place of a key's name: the problem concerns the record as a whole.
WHOLE_RECORD = "(whole record)"
# The key under which a record has the keys whose templates fail, each with the reason. See the filter resolved_records.
FAILED_TEMPLATES = "(failed templates)"
INVENTORY_REMEDY = (
    "Ansible runs executable files there, and shows lines of others; name the inventory's file (-i FOLDER/hosts.yml),"
    " copy the section [inventory] of Grove's ansible.cfg into yours, or move the file out of the inventory's folder"
)


@dataclass(frozen=True)
class Problem:
    """One fault: the record and its key, the actual value, and the remedy. ``others`` names the records in conflict."""

    record: str
    key: str
    actual: str
    remedy: str
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        record, key = readable(self.record, NAME_SHOWN_LENGTH), readable(self.key, NAME_SHOWN_LENGTH)
        actual, remedy = readable(self.actual, ACTUAL_SHOWN_LENGTH), readable(self.remedy, REMEDY_SHOWN_LENGTH)
        return f"record {record}, key {key}: found {actual}; {remedy}"

    def concerns(self, names: Collection[str]) -> bool:
        """Return whether the problem concerns one of the records ``names``."""
        return self.record == ALL or self.record in names or not set(self.others).isdisjoint(names)


class Problems(list[Problem]):
    """Problems in the order in which they were noticed, each once. They are added by ``add`` alone."""

    def __init__(self) -> None:
        super().__init__()
        self._positions: dict[tuple[str, str, str, str], int] = {}

    def add(self, record: str, key: str, actual: str, remedy: str, others: tuple[str, ...] = ()) -> None:
        """Add a problem. Where the list has the same problem, that one gets the further ``others``."""
        position = self._positions.setdefault((record, key, actual, remedy), len(self))
        if position < len(self):
            problem = self[position]
            if others:
                self[position] = replace(problem, others=tuple(dict.fromkeys((*problem.others, *others))))
        else:
            self.append(Problem(record, key, actual, remedy, others))

    def keep(self, length: SupportsIndex) -> None:
        """Forget all problems but the first ``length``."""
        del self[length:]
        self._positions = {key: position for key, position in self._positions.items() if position < len(self)}


def readable(text: str, length: int) -> str:
    """Return ``text`` on one line, without characters that a terminal obeys, and with ``length`` characters at most."""
    short = text if len(text) <= length else text[: length - 3] + "..."
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in short)


def template_fault(error: BaseException) -> str:
    """Return why a template fails. Further lines of Ansible's message may show values, which may be secrets."""
    return readable(str(error).partition("\n")[0], ACTUAL_SHOWN_LENGTH // 2)


def plain(value: object) -> Any:
    """Return ``value`` made of Python's own types, without what Ansible adds to texts, lists and dictionaries."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key) if isinstance(key, str) else key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def quoted(text: str) -> str:
    """Return a text in quotes, shortened where it is longer than most paths. Addresses lose account and password."""
    length = ACTUAL_SHOWN_LENGTH // 2
    text = without_account(text)
    return repr(str(text)) if len(text) <= length else repr(text[: length - 3]) + "..."


def shown(value: object) -> str:
    """Return ``value`` as text, shortened, with the kind that YAML made of it. Addresses lose account and password."""
    try:
        text = repr(plain(value))
    except ValueError:  # Python refuses to write a number of more than 4300 digits
        return f"a number that is too large ({kind_of_value(value)})"
    text = without_account(text)
    short = text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 3] + "..."
    return f"{short} ({kind_of_value(value)})"


def kind_of_value(value: object) -> str:
    """Return the kind of a value in words, without the value."""
    kinds: tuple[tuple[type, str], ...] = (
        (str, "a text"),
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a decimal number"),
        (list, "a list"),
        (tuple, "a list"),
        (Mapping, "a dictionary"),
    )
    return next((words for kind, words in kinds if isinstance(value, kind)), "nothing" if value is None else "a value")
