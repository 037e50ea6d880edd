"""Statistics."""

import datetime as dt

from telemetry.api.types import base
from telemetry.api.types.base import Base, attribute
from telemetry.storage import records


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
    ) -> "Statistics":
        """Return a row of the wire; the duration is cut to start and end, the times that the caller asked for."""
        first = max(record.duration_start, start) if start else record.duration_start
        last = min(record.duration_end, end) if end else record.duration_end
        if first > last:
            row = cls(duration=None, duration_start=None, duration_end=None)
        else:
            row = cls(duration=(last - first).total_seconds(), duration_start=first, duration_end=last)
        row.unit = record.unit
        row.groupby = record.groupby
        row.period = record.period
        row.period_start, row.period_end = record.period_start, record.period_end
        for name in ("min", "max", "avg", "sum", "count"):
            if name in record.values:
                value = record.values[name]
                setattr(row, name, int(value) if name == "count" else float(value))
        if selected:
            row.aggregate = {name: float(value) for name, value in record.values.items()}
        return row
