"""The records that a store takes and returns. Times are naive UTC datetimes; metadata are nested JSON objects."""

import datetime as dt
import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from telemetry import timestamps
from telemetry.storage.limits import BIGGEST_INT

METER_TYPES = ("gauge", "delta", "cumulative")


@dataclass(slots=True)
class Sample:
    """One measurement of a meter of a resource."""

    meter: str
    type: str
    unit: str
    volume: float
    user_id: str | None
    project_id: str | None
    resource_id: str
    source: str | None
    timestamp: dt.datetime
    metadata: Mapping[str, Any]
    message_id: str
    message_signature: str | None = None
    recorded_at: dt.datetime | None = None


@dataclass(slots=True)
class Stored:
    """The number of samples or events of a batch that were stored, and of those that were stored before."""

    stored: int = 0
    duplicates: int = 0


@dataclass(slots=True)
class Meter:
    """A meter of a resource, and the owner of its latest sample. In a unique listing, resource_id is None."""

    name: str
    type: str
    unit: str
    resource_id: str | None
    project_id: str | None
    user_id: str | None
    source: str | None


@dataclass(slots=True)
class Resource:
    """A resource as the latest sample that matches the filter describes it, and the names of its meters."""

    resource_id: str
    project_id: str | None
    user_id: str | None
    source: str | None
    metadata: Mapping[str, Any]
    first_sample_timestamp: dt.datetime
    last_sample_timestamp: dt.datetime
    meters: Sequence[str] = ()


@dataclass(slots=True)
class Statistics:
    """Aggregates of one unit, group and period. `values` holds the requested aggregates only."""

    unit: str
    values: dict[str, float]
    duration_start: dt.datetime
    duration_end: dt.datetime
    period: int
    period_start: dt.datetime
    period_end: dt.datetime
    groupby: dict[str, str | None] | None


@dataclass(slots=True)
class Alarm:
    """A stored alarm; `rule` and `time_constraints` are JSON objects."""

    alarm_id: str
    type: str
    enabled: bool
    name: str
    description: str
    timestamp: dt.datetime
    user_id: str | None
    project_id: str | None
    state: str
    state_timestamp: dt.datetime
    ok_actions: list[str]
    alarm_actions: list[str]
    insufficient_data_actions: list[str]
    repeat_actions: bool
    rule: dict[str, Any]
    time_constraints: list[dict[str, Any]]
    severity: str


@dataclass(slots=True)
class AlarmChange:
    """One entry of an alarm's history; `detail` is JSON text."""

    event_id: str
    alarm_id: str
    type: str
    detail: str
    user_id: str | None
    project_id: str | None
    on_behalf_of: str | None
    timestamp: dt.datetime
    severity: str | None = None


@dataclass(slots=True)
class Notification:
    """A message about an alarm for one receiver, which waits to be sent.

    `receiver` is the part of the action that names the server. `due` is the time of the next attempt. `attempts` is the
    number of attempts that were begun.
    """

    notification_id: str
    alarm_id: str
    action: str
    receiver: str
    body: dict[str, Any]
    created: dt.datetime
    due: dt.datetime
    attempts: int = 0


@dataclass(slots=True)
class Lease:
    """The right of a process, the owner, to a piece of work until it expires; and when this work was begun last."""

    name: str
    owner: str
    expires: dt.datetime
    begun: dt.datetime


class TraitType(enum.IntEnum):
    """The type of a trait. The API uses the name in lower case."""

    NONE = 0
    STRING = 1
    INTEGER = 2
    FLOAT = 3
    DATETIME = 4


TraitValue = str | int | float | dt.datetime


def trait_value(kind: TraitType, value: Any) -> TraitValue:
    """Return a value, or the text of a value, as the type of a trait. Raises ValueError and OverflowError."""
    if kind is TraitType.INTEGER:
        number = int(value)
        if abs(number) > BIGGEST_INT:
            raise ValueError("number out of range")
        return number
    if kind is TraitType.FLOAT:
        fraction = float(value)
        if not math.isfinite(fraction):
            raise ValueError("number out of range")
        return fraction
    if kind is TraitType.DATETIME:
        return timestamps.parse_utc(str(value))
    return str(value).replace("\0", "")


@dataclass(slots=True)
class Trait:
    """A named, typed value of an event."""

    name: str
    type: TraitType
    value: TraitValue


@dataclass(slots=True)
class Event:
    """A notification, reduced to its traits; `raw` is the original as a JSON object."""

    message_id: str
    event_type: str
    generated: dt.datetime
    traits: list[Trait] = field(default_factory=list)
    raw: Mapping[str, Any] = field(default_factory=dict)
