"""A parsed complex query. query/complex.py makes it, and stores evaluate it."""

import datetime as dt
from dataclasses import dataclass

Value = str | float | bool | dt.datetime
METADATA = "metadata."


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field op value`; op is one of = != < > <= >= =~ (regular expression)."""

    field: str
    op: str
    value: Value


@dataclass(frozen=True, slots=True)
class Membership:
    """The field has one of the values."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """All (`and`) or any (`or`) of the parts are true."""

    op: str
    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """The part is false."""

    part: "Expression"


Expression = Comparison | Membership | Combination | Negation


@dataclass(frozen=True, slots=True)
class Ordering:
    """Sort by a field."""

    field: str
    descending: bool
