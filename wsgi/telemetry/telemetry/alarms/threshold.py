"""Threshold rules: a statistic of a meter, compared with a threshold for some periods.

The window reaches one period further back than the rule says, because samples may arrive late. A rule that excludes
outliers looks back twice as far, and leaves out the periods whose number of samples differs from the mean by more than
twice the standard deviation.
"""

import datetime as dt
import operator
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from telemetry.alarms.verdict import ALARM, OK, UNKNOWN, Verdict
from telemetry.query import simple
from telemetry.storage.filters import Aggregate, StatisticsRequest
from telemetry.storage.records import Alarm, Statistics

LOOK_BACK = 1
WIDTH_IN_DEVIATIONS = 2
COMPARATORS: dict[str, Any] = {
    "lt": operator.lt,
    "le": operator.le,
    "eq": operator.eq,
    "ne": operator.ne,
    "ge": operator.ge,
    "gt": operator.gt,
}
FIELDS = tuple(name for name in simple.SAMPLES if name not in ("timestamp", "search_offset"))


@dataclass(slots=True)
class StoredFilter:
    """One filter of a rule's query."""

    field: Any = None
    op: Any = "eq"
    value: Any = None
    type: Any = None


def request(rule: dict[str, Any], now: dt.datetime) -> StatisticsRequest:
    """Return the statistics that a rule needs at a moment in naive UTC.

    Raises ClientSideError for a query that cannot be read; KeyError, TypeError or ValueError for another broken rule.
    """
    periods, period = int(rule["evaluation_periods"]), int(rule["period"])
    look_back = periods if rule.get("exclude_outliers") else LOOK_BACK
    parsed = simple.parse([StoredFilter(**item) for item in rule.get("query") or []], FIELDS)
    try:
        start = now - dt.timedelta(seconds=period * (periods + look_back))
    except OverflowError:
        start = dt.datetime.min
    functions = dict.fromkeys((rule["statistic"], "count") if rule.get("exclude_outliers") else (rule["statistic"],))
    return StatisticsRequest(
        # A sample of this very moment belongs to the next evaluation. It would make a period of its own.
        parsed.sample_filter(meter=rule["meter_name"], start=start, start_op="ge", end=now, end_op="lt"),
        period=period,
        aggregates=[Aggregate(name) for name in functions],
    )


def decide(alarm: Alarm, rows: Sequence[Statistics]) -> Verdict | None:
    """Return the verdict on an alarm, or None if nothing is to be done. `rows` are ordered by their periods."""
    rule = alarm.rule
    if rule.get("exclude_outliers"):
        rows = _without_outliers(rows)
    values = [row.values[rule["statistic"]] for row in rows][-int(rule["evaluation_periods"]) :]
    if not values:
        if alarm.state == UNKNOWN:
            return None
        count = rule["evaluation_periods"]
        return Verdict(UNKNOWN, f"{count} datapoints are unknown", _data("unknown", count, None))
    compare, threshold = COMPARATORS[rule["comparison_operator"]], rule["threshold"]
    outside = [compare(value, threshold) for value in values]
    if all(outside):
        state = ALARM
    elif not any(outside):
        state = OK
    elif alarm.state == UNKNOWN:
        state = ALARM if outside[-1] else OK
    else:
        state = alarm.state
    if state == alarm.state and not alarm.repeat_actions:
        return None
    count, last = len(values), values[-1]
    disposition = "inside" if state == OK else "outside"
    begin = "Remaining as" if state == alarm.state else "Transition to"
    return Verdict(
        state,
        f"{begin} {state} due to {count} samples {disposition} threshold, most recent: {last}",
        _data(disposition, count, last),
    )


def _without_outliers(rows: Sequence[Statistics]) -> Sequence[Statistics]:
    counts = [row.values["count"] for row in rows]
    if not counts:
        return rows
    mean = statistics.fmean(counts)
    width = WIDTH_IN_DEVIATIONS * statistics.pstdev(counts, mean)
    return [row for row in rows if abs(row.values["count"] - mean) <= width]


def _data(disposition: str, count: int, last: float | None) -> dict[str, Any]:
    return {"type": "threshold", "disposition": disposition, "count": count, "most_recent": last}
