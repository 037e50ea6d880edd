"""What is wrong with the records, in words for the person who wrote them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ALL = "(all)"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what was found, and what would be right."""

    record: str
    key: str
    found: str
    right: str

    def __str__(self) -> str:
        return f"record {self.record}, key {self.key}: found {self.found}; {self.right}"


@dataclass
class Check:
    """The result of a check: the completed records, and the problems (with any, the records are not to be used)."""

    records: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, record: str, key: str, found: str, right: str) -> None:
        """Note a problem once."""
        problem = Problem(record, key, found, right)
        if problem not in self.problems:
            self.problems.append(problem)


def plain(value: object) -> Any:
    """Return ``value`` made of Python's own types, without what Ansible adds to texts, lists and dictionaries."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def shown(value: object) -> str:
    """Return ``value`` as text, shortened, with the kind that YAML made of it."""
    text = repr(plain(value))
    return f"{text if len(text) <= 80 else text[:77] + '...'} ({_kind(value)})"


def _kind(value: object) -> str:
    kinds: tuple[tuple[type, str], ...] = (
        (str, "a text"),
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a decimal number"),
        (list, "a list"),
        (Mapping, "a dictionary"),
    )
    return next((words for kind, words in kinds if isinstance(value, kind)), "nothing" if value is None else "a value")
