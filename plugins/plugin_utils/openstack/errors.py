"""Errors in the variables that describe a control plane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError


@dataclass(frozen=True)
class Problem:
    """One wrong variable: its name, the value that was found (as text), and what to write instead."""

    variable: str
    actual: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.variable}: found {self.actual}; {self.remedy}"


class ControlPlaneError(OperatorError):
    """The variables of the control plane do not fit together. ``problems`` has each wrong variable."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take the problems, at least one."""
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def wrong(variable: str, value: object, remedy: str) -> ControlPlaneError:
    """Return an error about one variable. The part of ``value`` before an ``@`` is not shown: it may be a password."""
    text = str(value)
    shown = repr(f"********@{text.rpartition('@')[2]}" if "@" in text else text)
    return ControlPlaneError([Problem(variable, shown, remedy)])
