"""Times: ISO 8601 for clients, naive UTC datetimes in Python, microseconds since 1970 in the database."""

import datetime as dt

import iso8601

EPOCH = dt.datetime(1970, 1, 1)
# The length of 2026-01-01T00:00:00, without and with microseconds.
PLAIN_LENGTHS = (19, 26)
MICROSECOND = dt.timedelta(microseconds=1)


def utcnow() -> dt.datetime:
    """Return now as a naive UTC datetime."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def naive_utc(value: dt.datetime) -> dt.datetime:
    """Convert to UTC and drop the zone. A naive value is UTC. Raises OverflowError outside the years 1 to 9999."""
    if value.tzinfo is None:
        return value
    return value.astimezone(dt.UTC).replace(tzinfo=None)


def parse(text: str) -> dt.datetime:
    """Parse an ISO 8601 date or time; without a zone it stays naive. Raises ValueError."""
    try:
        # The standard library reads this form, which most programs write, ten times as fast.
        if len(text) in PLAIN_LENGTHS and text[7] == "-" and text[10] == "T" and text[16] == ":":
            return dt.datetime.fromisoformat(text)
        return iso8601.parse_date(text, default_timezone=None)
    except (iso8601.ParseError, OverflowError, TypeError) as error:
        raise ValueError(str(error)) from error


def parse_utc(text: str) -> dt.datetime:
    """Parse an ISO 8601 text into naive UTC. Raises ValueError."""
    try:
        return naive_utc(parse(text))
    except OverflowError as error:
        raise ValueError(str(error)) from error


def to_microseconds(value: dt.datetime) -> int:
    """Return the microseconds from 1970 to a naive UTC datetime."""
    return (value - EPOCH) // MICROSECOND


LAST = to_microseconds(dt.datetime.max)


def from_microseconds(value: int) -> dt.datetime:
    """Return the naive UTC datetime of a number of microseconds since 1970."""
    return EPOCH + value * MICROSECOND
