"""Time constraints: cron expressions, durations, time zones, and clocks that are put forward and back."""

import datetime as dt
import zoneinfo

import pytest
from telemetry.alarms import constraints

BERLIN = "Europe/Berlin"


def constraint(start: str, duration: int, timezone: str = "") -> dict[str, object]:
    return {"name": "c", "start": start, "duration": duration, "timezone": timezone}


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "duration", "timezone", "now", "expected"),
    [
        ("0 11 * * *", 600, "", "2026-06-01T11:00:00", True),
        ("0 11 * * *", 600, "", "2026-06-01T11:00:00.500000", True),
        ("0 11 * * *", 600, "", "2026-06-01T11:10:00", True),
        ("0 11 * * *", 600, "", "2026-06-01T11:10:00.000001", False),
        ("0 11 * * *", 600, "", "2026-06-01T10:59:59.999999", False),
        ("0 11 * * *", 0, "", "2026-06-01T11:00:00", True),
        ("0 11 * * *", 13 * 3600, "", "2026-06-02T00:00:00", True),
        ("0 11 * * 1", 600, "", "2026-06-01T11:05:00", True),
        ("0 11 * * 2", 600, "", "2026-06-01T11:05:00", False),
        ("0 11 * * * 30", 10, "", "2026-06-01T11:00:29", False),
        ("0 11 * * * 30", 10, "", "2026-06-01T11:00:35", True),
        ("0 11 * * *", 600, BERLIN, "2026-06-01T09:05:00", True),
        ("0 11 * * *", 600, BERLIN, "2026-12-01T09:05:00", False),
        ("0 11 * * *", 600, BERLIN, "2026-12-01T10:05:00", True),
        ("0 20 * * *", 600, "America/New_York", "2026-06-02T00:05:00", True),
        ("30 5 * * *", 600, "Asia/Kolkata", "2026-06-02T00:05:00", True),
        # The clock of Berlin goes from 2 to 3 on 2026-03-29, at 1 UTC. The constraint begins at 3:30 then.
        ("30 2 * * *", 600, BERLIN, "2026-03-29T00:35:00", False),
        ("30 2 * * *", 600, BERLIN, "2026-03-29T01:05:00", False),
        ("30 2 * * *", 600, BERLIN, "2026-03-29T01:35:00", True),
        ("30 2 * * *", 86400, BERLIN, "2026-03-29T01:05:00", True),
        # It lasts as many seconds as ever, although the clock skips an hour.
        ("30 1 * * *", 3600, BERLIN, "2026-03-29T01:15:00", True),
        ("30 1 * * *", 3600, BERLIN, "2026-03-29T01:31:00", False),
        # The clock goes from 3 back to 2 on 2026-10-25, at 1 UTC. 2:30 is shown at 0:30 and at 1:30 UTC.
        ("30 2 * * *", 600, BERLIN, "2026-10-25T00:35:00", True),
        ("30 2 * * *", 600, BERLIN, "2026-10-25T01:05:00", False),
        ("30 2 * * *", 3600, BERLIN, "2026-10-25T01:15:00", True),
        ("30 2 * * *", 600, BERLIN, "2026-10-25T01:35:00", True),
        ("30 2 * * *", 600, BERLIN, "2026-10-25T01:41:00", False),
        ("30 1 * * *", 7200, BERLIN, "2026-10-25T01:25:00", True),
        ("30 1 * * *", 7200, BERLIN, "2026-10-25T01:31:00", False),
        ("0 0 30 2 *", 86400, "", "2026-06-01T00:00:00", False),
        ("0 0 29 2 *", 86400, "", "2028-02-29T12:00:00", True),
        ("0 0 * * *", 10**30, "", "2028-02-29T12:00:00", True),
    ],
)
def test_within(start: str, duration: int, timezone: str, now: str, expected: bool) -> None:
    assert constraints.within([constraint(start, duration, timezone)], utc(now)) is expected


def test_one_of_several_is_enough() -> None:
    both = [constraint("0 11 * * *", 600), constraint("0 12 * * *", 600)]
    assert constraints.within(both, utc("2026-06-01T12:05:00"))
    assert not constraints.within(both, utc("2026-06-01T13:05:00"))
    assert constraints.within([], utc("2026-06-01T13:05:00"))


@pytest.mark.parametrize("name", [BERLIN, "America/New_York", "Australia/Lord_Howe", "Africa/Monrovia"])
def test_every_quarter_of_two_years_begins_at_its_own_time(name: str) -> None:
    """Compare with the clock itself: a quarter of an hour begins wherever the clock shows 0, 15, 30 or 45 minutes."""
    zone = zoneinfo.ZoneInfo(name)
    for first in ("2026-03-08T00:00:00", "2026-04-04T00:00:00", "2026-10-03T00:00:00", "2026-10-24T20:00:00"):
        now = utc(first).replace(tzinfo=dt.UTC)
        for _ in range(160):
            now += dt.timedelta(minutes=7)
            local = now.astimezone(zone)
            expected = now - dt.timedelta(minutes=local.minute % 15, seconds=local.second)
            assert constraints.latest_start("*/15 * * * *", now, zone) == expected


@pytest.mark.parametrize("broken", [{"start": "x"}, {"timezone": "Mars/Base"}, {"duration": "x"}, {"start": None}])
def test_broken(broken: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        constraints.within([constraint("* * * * *", 60) | broken], utc("2026-06-01T12:05:00"))
