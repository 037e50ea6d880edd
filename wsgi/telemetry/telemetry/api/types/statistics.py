"""Statistics."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from telemetry.api.types import base
from telemetry.api.types.base import Base, attribute
from telemetry.storage import records

# Databases return some aggregates as decimals or text.
CONVERTERS: dict[str, Callable[[Any], Any]] = {"min": float, "max": float, "avg": float, "sum": float, "count": int}


class Statistics(Base):
    """Aggregates of one unit, group and period."""

    groupby = attribute({str: str})
    unit = attribute(str, mandatory=True)
    min = attribute(float)
    max = attribute(float)
    avg = attribute(float)
    sum = attribute(float)
    count = attribute(int)
    aggregate = attribute({str: float})
    duration = attribute(float)
    duration_start = attribute(base.timestamp)
    duration_end = attribute(base.timestamp)
    period = attribute(int)
    period_start = attribute(base.timestamp)
    period_end = attribute(base.timestamp)

    @classmethod
    def from_record(
        cls, record: records.Statistics, selected: bool, start: dt.datetime | None, end: dt.datetime | None
    ) -> Any:
        """Return a row as clients see it. `start` and `end` are the caller's times; the duration is cut to them."""
        first = max(record.duration_start, start) if start else record.duration_start
        last = min(record.duration_end, end) if end else record.duration_end
        duration = (last - first).total_seconds()
        if duration < 0:
            duration = first = last = None  # type: ignore[assignment]
        values = record.values
        return cls.answer(
            unit=record.unit,
            groupby=record.groupby,
            duration=duration,
            duration_start=first,
            duration_end=last,
            period=record.period,
            period_start=record.period_start,
            period_end=record.period_end,
            **{name: CONVERTERS[name](values[name]) for name in values.keys() & CONVERTERS.keys()},
            **({"aggregate": {name: float(value) for name, value in values.items()}} if selected else {}),
        )
