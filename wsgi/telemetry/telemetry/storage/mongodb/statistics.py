"""Computes statistics: the server groups the samples by unit, groups and period in one aggregation."""

from collections.abc import Iterator
from typing import Any

from telemetry import metadata, timestamps
from telemetry.storage.filters import StatisticsRequest
from telemetry.storage.mongodb import conditions
from telemetry.storage.records import Statistics

SECOND = 1_000_000
FUNCTIONS = {"max": "$max", "min": "$min", "avg": "$avg", "sum": "$sum", "stddev": "$stdDevPop"}


def statistics(db: Any, request: StatisticsRequest) -> list[Statistics]:
    """Return the rows, ordered by period, group and unit."""
    where = conditions.every(conditions.of_sample(request.filter))
    start = 0
    if request.period:
        begin = _first_bucket(db, request, where)
        if begin is None:
            return []
        start = begin
    span = request.period * SECOND
    key: dict[str, Any] = {"unit": "$unit"}
    for number, name in enumerate(request.groupby):
        key[f"group_{number}"] = _group(name)
    if span:
        since = {"$subtract": ["$timestamp", start]}
        key["begin"] = {"$subtract": ["$timestamp", {"$mod": [since, span]}]}
    group: dict[str, Any] = {"_id": key, "first": {"$min": "$timestamp"}, "last": {"$max": "$timestamp"}}
    for number, aggregate in enumerate(request.aggregates):
        if aggregate.func != "cardinality":
            group[f"value_{number}"] = (
                {"$sum": 1} if aggregate.func == "count" else {FUNCTIONS[aggregate.func]: "$volume"}
            )
    documents = {
        _identity(document["_id"], key): document
        for document in db.sample.aggregate([{"$match": where}, {"$group": group}], allowDiskUse=True)
    }
    for number, aggregate in enumerate(request.aggregates):
        if aggregate.func == "cardinality":
            for identity, count in _cardinality(db, where, key, f"${aggregate.param}"):
                # A sample may have been stored between the two aggregations.
                if identity in documents:
                    documents[identity][f"value_{number}"] = count
    rows = [_row(document, request, span) for document in documents.values()]
    rows.sort(
        key=lambda row: (
            row.period_start if row.period else timestamps.EPOCH,
            [value or "" for value in (row.groupby or {}).values()],
            row.unit,
        )
    )
    return rows


def _first_bucket(db: Any, request: StatisticsRequest, where: conditions.Condition) -> int | None:
    """Return the start of the first period: the start of the query, or the first sample. None without samples."""
    if request.filter.start is not None:
        return timestamps.to_microseconds(request.filter.start)
    first = db.sample.find_one(where, {"timestamp": 1}, sort={"timestamp": 1})
    return None if first is None else int(first["timestamp"])


def _group(name: str) -> Any:
    if (key := metadata.key_of(name)) is None:
        return f"${name}"
    same = {"$eq": ["$$leaf.k", {"$literal": key}]}
    matching = {"$filter": {"input": "$leaves", "as": "leaf", "cond": same}}
    texts = {"$map": {"input": matching, "as": "leaf", "in": "$$leaf.s"}}
    return {"$ifNull": [{"$arrayElemAt": [texts, 0]}, None]}


def _identity(identity: dict[str, Any], key: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(identity.get(name) for name in key)


def _cardinality(
    db: Any, where: conditions.Condition, key: dict[str, Any], field: str
) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield (identity, number of different values) of each group. A sample without an owner adds no owner.

    A set of values in a document has a limit of 16 MB, and groups have none.
    """
    each = {"$group": {"_id": {**key, "value": field}}}
    identity = {name: {"$ifNull": [f"$_id.{name}", None]} for name in key}
    is_value = {"$cond": [{"$eq": [{"$ifNull": ["$_id.value", None]}, None]}, 0, 1]}
    counted = {"$group": {"_id": identity, "count": {"$sum": is_value}}}
    for document in db.sample.aggregate([{"$match": where}, each, counted], allowDiskUse=True):
        yield _identity(document["_id"], key), document["count"]


def _row(document: dict[str, Any], request: StatisticsRequest, span: int) -> Statistics:
    key, first, last = document["_id"], document["first"], document["last"]
    begin, end = first, last
    if span:
        begin = key["begin"]
        # The last period of the calendar ends with the calendar.
        end = min(begin + span, timestamps.LAST)
    # Samples that were deleted between the two aggregations have no cardinality.
    values = {one.key: document.get(f"value_{number}", 0) for number, one in enumerate(request.aggregates)}
    groups = {name: key.get(f"group_{number}") for number, name in enumerate(request.groupby)}
    return Statistics(
        unit=key["unit"],
        values=values,
        duration_start=timestamps.from_microseconds(first),
        duration_end=timestamps.from_microseconds(last),
        period=request.period,
        period_start=timestamps.from_microseconds(begin),
        period_end=timestamps.from_microseconds(end),
        groupby=groups or None,
    )
