"""Time constraints: whether an alarm is evaluated at a moment.

A constraint begins at each time of its cron expression, on the clock of its time zone, and lasts some seconds. A time
that the clock shows twice begins it twice. A time that the clock skips begins it as much later as the clock skips.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import croniter

SECOND = dt.timedelta(seconds=1)


def within(constraints: Iterable[Mapping[str, Any]], now: dt.datetime) -> bool:
    """Tell whether `now`, in naive UTC, is within one of the constraints, or there are none.

    Raises ValueError, KeyError or TypeError for a constraint that cannot be read.
    """
    constraints = list(constraints)
    return not constraints or any(_covers(constraint, now.replace(tzinfo=dt.UTC)) for constraint in constraints)


def _covers(constraint: Mapping[str, Any], now: dt.datetime) -> bool:
    name = constraint.get("timezone")
    zone: dt.tzinfo = zoneinfo.ZoneInfo(name) if name else dt.UTC
    start = latest_start(constraint["start"], now, zone)
    return start is not None and (now - start).total_seconds() <= constraint["duration"]


def latest_start(expression: str, now: dt.datetime, zone: dt.tzinfo) -> dt.datetime | None:
    """Return the latest moment of a cron expression that is not after `now`, or None if there was none for years."""
    local = now.astimezone(zone)
    clock = local.replace(tzinfo=None, microsecond=0, fold=0)
    clocks = [clock]
    if local.fold:
        # The clock was put back a short time ago. Before this it showed later times than now.
        clocks.append(clock + _offset(local.replace(fold=0)) - _offset(local))
    moments = [next((m for m in _moments(expression, one, zone) if m <= now), None) for one in clocks]
    return max((moment for moment in moments if moment is not None), default=None)


def _offset(local: dt.datetime) -> dt.timedelta:
    return local.utcoffset() or dt.timedelta()


def _moments(expression: str, clock: dt.datetime, zone: dt.tzinfo) -> Iterator[dt.datetime]:
    """Yield the moments at which the clock shows a time of the expression, the latest first, from `clock` on."""
    # croniter returns times before the given one. It would count in UTC with a time zone.
    times = croniter.croniter(expression, clock + SECOND)
    while True:
        try:
            shown: dt.datetime = times.get_prev(dt.datetime)
        except croniter.CroniterBadDateError:
            return
        first, second = (shown.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
        if second > first:
            yield second
        yield first
