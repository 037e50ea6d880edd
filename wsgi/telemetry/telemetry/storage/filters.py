"""Queries to a store: filters, statistics and pages. A sample, alarm or event must meet every condition of a filter."""

import datetime as dt
import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from telemetry.storage.records import TraitType, TraitValue

T = TypeVar("T")


class Null(enum.Enum):
    """The condition that the owner is not set. In a query it is written `None`."""

    NULL = "None"


NULL = Null.NULL
Owner = str | Null


@dataclass(slots=True)
class MetadataTerm:
    """Metadata `key` has exactly this value, of exactly this type (str, bool, int, float; datetimes as text)."""

    key: str
    value: Any


@dataclass(slots=True)
class SampleFilter:
    """A filter on samples, or on the meters and resources of the samples. A member that is None matches all."""

    meter: str | None = None
    user: Owner | None = None
    project: Owner | None = None
    resource: str | None = None
    source: str | None = None
    message_id: str | None = None
    start: dt.datetime | None = None
    start_op: str = "ge"
    end: dt.datetime | None = None
    end_op: str = "lt"
    metadata: list[MetadataTerm] = field(default_factory=list)


@dataclass(slots=True)
class AlarmFilter:
    """A filter on alarms. A member that is None matches all."""

    alarm_id: str | None = None
    name: str | None = None
    enabled: bool | None = None
    state: str | None = None
    type: str | None = None
    meter: str | None = None
    severity: str | None = None
    user: Owner | None = None
    project: Owner | None = None


@dataclass(slots=True)
class HistoryFilter:
    """A filter on the changes of one alarm. A member that is None matches all."""

    alarm_id: str
    on_behalf_of: str | None = None
    type: str | None = None
    user: Owner | None = None
    project: Owner | None = None
    severity: str | None = None
    start: dt.datetime | None = None
    start_op: str = "ge"
    end: dt.datetime | None = None
    end_op: str = "lt"


@dataclass(slots=True)
class TraitTerm:
    """The trait `name` of this type compares (lt le eq ne ge gt) with `value`."""

    name: str
    type: TraitType
    op: str
    value: TraitValue


@dataclass(slots=True)
class EventFilter:
    """A filter on events. A member that is None matches all.

    `own_project_only` limits the events to those of `admin_project` and those without a project.
    """

    event_type: str | None = None
    message_id: str | None = None
    start: dt.datetime | None = None
    start_op: str = "ge"
    end: dt.datetime | None = None
    end_op: str = "le"
    traits: list[TraitTerm] = field(default_factory=list)
    admin_project: str | None = None
    own_project_only: bool = False


@dataclass(slots=True)
class Aggregate:
    """An aggregate function, one of AGGREGATE_FUNCTIONS, and for cardinality the field whose values are counted."""

    func: str
    param: str | None = None

    @property
    def key(self) -> str:
        """The name of the result: `func`, or `func/param`."""
        return self.func if self.param is None else f"{self.func}/{self.param}"


AGGREGATE_FUNCTIONS = ("max", "min", "avg", "sum", "count", "stddev", "cardinality")
STANDARD_AGGREGATES = tuple(Aggregate(name) for name in ("max", "min", "avg", "sum", "count"))


@dataclass(slots=True)
class StatisticsRequest:
    """Statistics of the samples that match `filter`, for each group and each period.

    `period` is a length in seconds; 0 makes one period of the whole time.
    """

    filter: SampleFilter
    period: int = 0
    groupby: Sequence[str] = ()
    aggregates: Sequence[Aggregate] = STANDARD_AGGREGATES


@dataclass(slots=True)
class PageRequest:
    """At most `limit` items (None: all) after the item that the opaque `marker` stands for (None: the first page)."""

    limit: int | None = None
    marker: str | None = None


@dataclass(slots=True)
class Page(Generic[T]):
    """The items of a page, and the marker of the next page, or None for the last page."""

    items: list[T]
    next_marker: str | None = None
