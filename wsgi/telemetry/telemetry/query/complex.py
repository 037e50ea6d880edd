"""The complex query language: parses the JSON text of POST /v2/query/* into expressions and orderings."""

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from telemetry import timestamps
from telemetry.errors import BadQueryError, NotSupportedError
from telemetry.i18n import _
from telemetry.metadata import PREFIXES
from telemetry.query.expression import (
    METADATA,
    Combination,
    Comparison,
    Expression,
    Membership,
    Negation,
    Ordering,
    Value,
)
from telemetry.storage.limits import is_storable

COMPARISONS = {"=": "=", "!=": "!=", "<": "<", ">": ">", "<=": "<=", "=<": "<=", ">=": ">=", "=>": ">=", "=~": "=~"}
# Nobody writes deeper expressions by hand, and this depth is far from the stack limits of Python and the databases.
MAX_DEPTH = 50


@dataclass(frozen=True)
class Language:
    """The fields that queries on one kind of object may name."""

    # The type of each field's values: str, float, bool, or "time".
    fields: Mapping[str, Any]
    aliases: Mapping[str, str]
    # The field that holds the owner's project.
    visibility: str
    has_metadata: bool = False

    def field(self, name: str) -> str:
        """Return the canonical name of a field. Raises BadQueryError."""
        canonical = self._canonical(name)
        if canonical is None:
            raise BadQueryError(f"{name!r} is not one of {sorted([*self.fields, *self.aliases])}")
        return canonical

    def _canonical(self, name: str) -> str | None:
        lower = name.lower()
        if self.has_metadata:
            for prefix in PREFIXES:
                if lower.startswith(prefix) and len(name) > len(prefix):
                    return METADATA + name[len(prefix) :]
        lower = self.aliases.get(lower, lower)
        return lower if lower in self.fields else None

    def value(self, field: str, value: Any) -> Value:
        """Return a value as the field's type. Raises BadQueryError."""
        if isinstance(value, str) and not is_storable(value):
            raise _not_a_filter("text with NUL or with half a surrogate pair")
        if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
            raise _not_a_filter(f"{value!r} is too large")
        if field.startswith(METADATA):
            metadata_value: Value = value
            return metadata_value
        kind = self.fields[field]
        if kind == "time":
            try:
                return timestamps.parse_utc(str(value))
            except ValueError:
                raise BadQueryError(_("Failed to parse the timestamp value %s") % value) from None
        if kind is bool:
            if isinstance(value, bool):
                return value
            raise _not_a_filter(f"{value!r} is not of type 'boolean'")
        if kind is float:
            try:
                if isinstance(value, bool):
                    raise ValueError
                number = float(value)
                if not math.isfinite(number):
                    raise ValueError
                return number
            except (ValueError, OverflowError):
                raise _not_a_filter(f"{value!r} is not of type 'number'") from None
        return value if isinstance(value, str) else json.dumps(value)


def _not_a_filter(why: str) -> BadQueryError:
    return BadQueryError(_("Filter expression not valid: %s") % why)


def _json(text: str, make_error: Callable[[str], BadQueryError]) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise make_error(str(error)) from error


def parse_filter(text: str, language: Language) -> Expression:
    """Parse a filter. Raises BadQueryError, and NotSupportedError for `in` on metadata."""
    parser = _Parser(language)
    return parser.expression(_json(text, _not_a_filter), 0)


def _check_pattern(pattern: str) -> None:
    """Raise BadQueryError for an invalid regular expression. A database may refuse more: it reports that itself."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise _not_a_filter(str(error)) from error
    if not is_storable(pattern):
        raise _not_a_filter("text with NUL or with half a surrogate pair")


class _Parser:
    def __init__(self, language: Language) -> None:
        self.language = language

    def expression(self, node: Any, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise _not_a_filter(f"nested deeper than {MAX_DEPTH}")
        if not isinstance(node, dict):
            raise _not_a_filter(f"{node!r} is not of type 'object'")
        if len(node) != 1:
            raise _not_a_filter(f"{node!r} must have exactly one key")
        ((op, operand),) = node.items()
        lower = op.lower()
        if lower in ("and", "or"):
            if not isinstance(operand, list):
                raise _not_a_filter(f"{operand!r} is not of type 'array'")
            if len(operand) < 2:
                raise _not_a_filter(f"{operand!r} is too short")
            return Combination(lower, tuple(self.expression(part, depth + 1) for part in operand))
        if lower == "not":
            return Negation(self.expression(operand, depth + 1))
        if lower == "in":
            return self._membership(operand)
        if op in COMPARISONS:
            field, value = self._leaf(operand)
            if isinstance(value, list | dict) or value is None:
                raise _not_a_filter(f"{value!r} is not of type 'string', 'number', 'boolean'")
            if op == "=~" and not isinstance(value, str):
                raise _not_a_filter(f"{value!r} is not of type 'string'")
            if op == "=~":
                _check_pattern(value)
                return Comparison(field, op, value)
            return Comparison(field, COMPARISONS[op], self.language.value(field, value))
        raise _not_a_filter(f"{op!r} is not one of {[*COMPARISONS, 'in', 'and', 'or', 'not']}")

    def _leaf(self, operand: Any) -> tuple[str, Any]:
        if not isinstance(operand, dict) or len(operand) != 1:
            raise _not_a_filter(f"{operand!r} must be an object with exactly one key")
        ((name, value),) = operand.items()
        try:
            return self.language.field(name), value
        except BadQueryError as error:
            raise _not_a_filter(str(error)) from None

    def _membership(self, operand: Any) -> Expression:
        field, values = self._leaf(operand)
        if field.startswith(METADATA):
            raise NotSupportedError(_("Metadata query with in operator is not implemented"))
        if not isinstance(values, list) or not values:
            raise _not_a_filter(f"{values!r} is not a list with at least one item")
        for value in values:
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise _not_a_filter(f"{value!r} is not of type 'string', 'number'")
        return Membership(field, tuple(self.language.value(field, value) for value in values))


def parse_orderings(text: str, language: Language) -> list[Ordering]:
    """Parse an order-by text: a list of one-key objects field -> asc|desc. Raises BadQueryError."""

    def invalid(why: str) -> BadQueryError:
        return BadQueryError(_("Order-by expression not valid: %s") % why)

    nodes = _json(text, invalid)
    if not isinstance(nodes, list):
        raise invalid(f"{nodes!r} is not of type 'array'")
    orderings = []
    for node in nodes:
        if not isinstance(node, dict) or len(node) != 1:
            raise invalid(f"{node!r} must be an object with exactly one key")
        ((name, direction),) = node.items()
        if not isinstance(direction, str) or direction.lower() not in ("asc", "desc"):
            raise invalid(f"{direction!r} is not one of ['asc', 'desc']")
        try:
            field = language.field(name)
        except BadQueryError as error:
            raise invalid(str(error)) from None
        if field.startswith(METADATA):
            raise invalid(f"{name!r} cannot be sorted by")
        orderings.append(Ordering(field, direction.lower() == "desc"))
    return orderings


SAMPLES = Language(
    fields={
        "counter_name": str,
        "counter_type": str,
        "counter_unit": str,
        "counter_volume": float,
        "user_id": str,
        "project_id": str,
        "resource_id": str,
        "source": str,
        "timestamp": "time",
        "recorded_at": "time",
        "message_id": str,
        "message_signature": str,
    },
    aliases={
        "user": "user_id",
        "project": "project_id",
        "resource": "resource_id",
        "meter": "counter_name",
        "type": "counter_type",
        "unit": "counter_unit",
        "volume": "counter_volume",
    },
    visibility="project_id",
    has_metadata=True,
)
ALARMS = Language(
    fields={
        "alarm_id": str,
        "type": str,
        "enabled": bool,
        "name": str,
        "description": str,
        "timestamp": "time",
        "user_id": str,
        "project_id": str,
        "state": str,
        "state_timestamp": "time",
        "ok_actions": str,
        "alarm_actions": str,
        "insufficient_data_actions": str,
        "repeat_actions": bool,
        "rule": str,
        "time_constraints": str,
        "severity": str,
    },
    aliases={"user": "user_id", "project": "project_id"},
    visibility="project_id",
)
ALARM_HISTORY = Language(
    fields={
        "event_id": str,
        "alarm_id": str,
        "type": str,
        "detail": str,
        "user_id": str,
        "project_id": str,
        "on_behalf_of": str,
        "severity": str,
        "timestamp": "time",
    },
    aliases={"user": "user_id", "project": "project_id"},
    visibility="on_behalf_of",
)
