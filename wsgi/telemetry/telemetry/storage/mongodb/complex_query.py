"""Complex queries as conditions of MongoDB.

A field without a value, or a missing metadata key, makes a comparison neither true nor false, as NULL does in SQL: its
negation is not true either. So a negation is pushed down to the comparisons, each of which asks for a value.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from telemetry import timestamps
from telemetry.query.expression import METADATA, Comparison, Expression, Membership, Negation, Ordering
from telemetry.storage.mongodb import conditions
from telemetry.storage.mongodb.conditions import Condition

OPERATORS = {"=": "$eq", "!=": "$ne", "<": "$lt", ">": "$gt", "<=": "$lte", ">=": "$gte"}
NEGATED = {"$eq": "$ne", "$ne": "$eq", "$lt": "$gte", "$gte": "$lt", "$gt": "$lte", "$lte": "$gt"}
SAMPLE_FIELDS = {
    "counter_name": "meter",
    "counter_type": "type",
    "counter_unit": "unit",
    "counter_volume": "volume",
    "message_id": "_id",
}
ALARM_FIELDS = {"alarm_id": "_id"}
CHANGE_FIELDS = {"event_id": "_id"}
# Fields whose values are not text. A regular expression sees them as text.
NOT_TEXT = frozenset({"volume", "timestamp", "recorded_at", "state_timestamp", "enabled", "repeat_actions"})


class Compiler:
    """Translates expressions to conditions. `fields` maps names of the query language to those of documents."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields

    def _field(self, name: str) -> str:
        return self._fields.get(name, name)

    def condition(self, expression: Expression, negated: bool = False) -> Condition:
        """Return the condition for an expression, or for its negation."""
        if isinstance(expression, Negation):
            return self.condition(expression.part, not negated)
        if isinstance(expression, Comparison):
            return self._comparison(expression, negated)
        if isinstance(expression, Membership):
            values = [_value(value) for value in expression.values]
            return {self._field(expression.field): {"$nin": [*values, None]} if negated else {"$in": values}}
        parts = [self.condition(part, negated) for part in expression.parts]
        return {"$and" if (expression.op == "and") is not negated else "$or": parts}

    def _comparison(self, comparison: Comparison, negated: bool) -> Condition:
        if comparison.field.startswith(METADATA):
            return _metadata(comparison, negated)
        field = self._field(comparison.field)
        if comparison.op == "=~":
            return _matches(field, str(comparison.value), negated)
        operator = OPERATORS[comparison.op]
        if negated:
            operator = NEGATED[operator]
        value = _value(comparison.value)
        return {field: {"$nin": [value, None]} if operator == "$ne" else {operator: value}}

    def order(self, orderings: Sequence[Ordering], default: dict[str, int], unique: dict[str, int]) -> dict[str, int]:
        """Return the order for sort. `unique` orders documents that are equal otherwise."""
        order: dict[str, int] = {}
        for ordering in orderings:
            order.setdefault(self._field(ordering.field), -1 if ordering.descending else 1)
        order = order or dict(default)
        for field, direction in unique.items():
            order.setdefault(field, direction)
        return order


def _value(value: Any) -> Any:
    return timestamps.to_microseconds(value) if isinstance(value, dt.datetime) else value


def _matches(field: str, pattern: str, negated: bool) -> Condition:
    if field in NOT_TEXT:
        matches: Any = {"$regexMatch": {"input": {"$toString": f"${field}"}, "regex": pattern}}
        return {field: {"$ne": None}, "$expr": {"$not": [matches]} if negated else matches}
    return {field: {"$not": {"$regex": pattern}, "$ne": None} if negated else {"$regex": pattern}}


def _metadata(comparison: Comparison, negated: bool) -> Condition:
    element = conditions.leaf(comparison.field.removeprefix(METADATA), comparison.value)
    is_text = element["t"] == "text"
    test: Any
    if comparison.op == "=~":
        test = {"$not": {"$regex": str(comparison.value)}} if negated else {"$regex": str(comparison.value)}
    else:
        operator = OPERATORS[comparison.op]
        test = {NEGATED[operator] if negated else operator: element["s" if is_text else "n"]}
    return {"leaves": {"$elemMatch": {"k": element["k"], "t": element["t"], "s" if is_text else "n": test}}}
