"""Filters as conditions of MongoDB."""

import datetime as dt
from typing import Any

from telemetry import timestamps
from telemetry.storage.filters import NULL, MetadataTerm, Owner, SampleFilter
from telemetry.storage.leaves import typed_leaf

Condition = dict[str, Any]
COMPARISONS = {"lt": "$lt", "le": "$lte", "eq": "$eq", "ne": "$ne", "ge": "$gte", "gt": "$gt"}


def every(conditions: list[Condition]) -> Condition:
    """Return the condition that all of the conditions hold.

    Each field is a member of the answer itself, where every server looks for a field that an index begins with. Only a
    test that a member cannot hold beside an earlier one is put into `$and`.
    """
    whole: Condition = {}
    apart: list[Condition] = []
    for condition in conditions:
        for field, test in condition.items():
            if field == "$and":
                apart += test
            elif field not in whole:
                whole[field] = test
            elif _operators(whole[field]) and _operators(test) and whole[field].keys().isdisjoint(test):
                whole[field] = {**whole[field], **test}
            else:
                apart.append({field: test})
    return {**whole, "$and": apart} if apart else whole


def _operators(test: Any) -> bool:
    """Return whether a test is a document of operators."""
    return isinstance(test, dict) and bool(test) and all(name.startswith("$") for name in test)


def owner(value: Owner) -> Any:
    """Return the value to compare with: that of the owner, or null."""
    return {"$eq": None if value is NULL else value}


def period(
    field: str, start: dt.datetime | None, start_op: str, end: dt.datetime | None, end_op: str
) -> list[Condition]:
    """Return the conditions that a time is in a range. None leaves an end open."""
    where: list[Condition] = []
    if start is not None:
        where.append({field: {"$gt" if start_op == "gt" else "$gte": timestamps.to_microseconds(start)}})
    if end is not None:
        where.append({field: {"$lte" if end_op == "le" else "$lt": timestamps.to_microseconds(end)}})
    return where


def leaf(key: str, value: Any) -> Condition:
    """Return a metadata value as the element of `leaves` that stores it: k key, t type, s text, n number."""
    columns = typed_leaf(value)
    element: Condition = {"k": key, "t": columns["kind"], "s": columns["text_value"]}
    number = columns["float_value"] if columns["kind"] == "float" else columns["int_value"]
    if number is not None:
        element["n"] = number
    return element


def metadata_term(term: MetadataTerm) -> Condition:
    """Return the condition on the metadata value of the same type."""
    value = term.value.isoformat() if isinstance(term.value, dt.datetime) else term.value
    element = leaf(term.key, value)
    member = "s" if element["t"] == "text" else "n"
    return {"leaves": {"$elemMatch": {"k": element["k"], "t": element["t"], member: element[member]}}}


def of_state(criteria: SampleFilter) -> list[Condition]:
    """Return the conditions on owner, source and metadata."""
    where: list[Condition] = []
    if criteria.user is not None:
        where.append({"user_id": owner(criteria.user)})
    if criteria.project is not None:
        where.append({"project_id": owner(criteria.project)})
    if criteria.source is not None:
        where.append({"source": {"$eq": criteria.source}})
    where.extend(metadata_term(term) for term in criteria.metadata)
    return where


def of_sample(criteria: SampleFilter) -> list[Condition]:
    """Return all conditions on a sample. The condition that most often leaves the fewest samples comes first."""
    where: list[Condition] = []
    for field, value in (
        ("_id", criteria.message_id),
        ("resource_id", criteria.resource),
        ("meter", criteria.meter),
    ):
        if value is not None:
            where.append({field: {"$eq": value}})
    times = period("timestamp", criteria.start, criteria.start_op, criteria.end, criteria.end_op)
    return [*where, *times, *of_state(criteria)]
