"""The simple query language: parses lists of `q.field`, `q.op`, `q.value`, `q.type` into filters of a store."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from telemetry import metadata, timestamps
from telemetry.api.errors import ClientSideError, InvalidInput, UnknownArgument
from telemetry.errors import NotSupportedError
from telemetry.i18n import _
from telemetry.query.conversion import ConversionError, convert
from telemetry.storage.filters import NULL, AlarmFilter, HistoryFilter, MetadataTerm, Owner, SampleFilter

ALIASES = {"user_id": "user", "project_id": "project", "resource_id": "resource"}
TIME_OPS = {"lt": "end", "le": "end", "gt": "start", "ge": "start"}

METERS = ("project", "resource", "source", "unique", "user")
SAMPLES = ("message_id", "meter", "project", "resource", "search_offset", "source", "timestamp", "user")
RESOURCES = ("project", "resource", "search_offset", "source", "timestamp", "user")
ALARMS = ("alarm_id", "enabled", "meter", "name", "project", "severity", "state", "type", "user")
ALARM_HISTORY = ("project", "search_offset", "severity", "timestamp", "type", "user")


class Filter(Protocol):
    """A filter as the client sent it. Absent members are WSME's Unset."""

    field: Any
    op: Any
    value: Any
    type: Any


@dataclass
class Times:
    """The range of the timestamp filters. The search offset widens start and end, but not requested_*."""

    start: dt.datetime | None = None
    start_op: str = "ge"
    end: dt.datetime | None = None
    end_op: str = "lt"
    requested_start: dt.datetime | None = None
    requested_end: dt.datetime | None = None

    def arguments(self) -> dict[str, Any]:
        """Return the members of a store's filter."""
        return {"start": self.start, "start_op": self.start_op, "end": self.end, "end_op": self.end_op}


@dataclass
class Parsed:
    """Plain conditions by canonical name, metadata conditions, and the time range."""

    plain: dict[str, Any] = field(default_factory=dict)
    metadata: list[MetadataTerm] = field(default_factory=list)
    times: Times = field(default_factory=Times)

    def _owner(self, name: str) -> Owner | None:
        """Return the condition on user or project. The text None stands for NULL."""
        value = self.plain.get(name)
        return NULL if value == "None" else value

    def _values(self, *names: str) -> dict[str, Any]:
        return {
            "user": self._owner("user"),
            "project": self._owner("project"),
            **{name: self.plain.get(name) for name in names},
        }

    def sample_filter(self, **replacements: Any) -> SampleFilter:
        """Return the filter on samples, meters or resources. `replacements` are members with other values."""
        values = self._values("meter", "resource", "source", "message_id")
        return SampleFilter(**{**values, "metadata": self.metadata, **self.times.arguments(), **replacements})

    def alarm_filter(self) -> AlarmFilter:
        """Return the filter on alarms."""
        return AlarmFilter(**self._values("alarm_id", "name", "enabled", "state", "type", "meter", "severity"))

    def history_filter(self, alarm_id: str, on_behalf_of: str | None) -> HistoryFilter:
        """Return the filter on the history of an alarm, of one project unless `on_behalf_of` is None."""
        return HistoryFilter(alarm_id, on_behalf_of, **self._values("type", "severity"), **self.times.arguments())


def parse(queries: Sequence[Filter], valid_keys: Sequence[str]) -> Parsed:
    """Check and parse filters. Raises a 400 for a field that is not in `valid_keys`, and a 501 for a list."""
    for query in queries:
        if not isinstance(query.field, str) or not query.field:
            raise InvalidInput("field", query.field, _("A filter needs a field"))
        if not isinstance(query.value, str):
            raise InvalidInput("value", query.value, _("The filter on %s has no value") % query.field)
    parsed = Parsed(times=_times(queries, "timestamp" in valid_keys))
    for query in queries:
        if query.field in ("timestamp", "search_offset"):
            continue
        key = ALIASES.get(query.field, query.field)
        is_metadata = metadata.key_of(query.field) is not None
        if key not in valid_keys and not (is_metadata and _has_metadata(valid_keys)):
            raise UnknownArgument(
                query.field,
                _("unrecognized field in query: %(query)s, valid keys: %(keys)s")
                % {"query": list(queries), "keys": sorted(valid_keys)},
            )
        if query.op != "eq":
            raise InvalidInput("op", query.op, _("unimplemented operator for %s") % query.field)
        if is_metadata:
            parsed.metadata.append(_metadata_term(query))
        elif key in ("enabled", "unique"):
            parsed.plain[key] = _converted(query.value, "boolean")
        else:
            parsed.plain[key] = query.value
    return parsed


def _has_metadata(valid_keys: Iterable[str]) -> bool:
    return "source" in valid_keys


def _converted(value: str, kind: str | None) -> Any:
    try:
        return convert(value, kind)
    except ConversionError as error:
        raise ClientSideError(error.args[0]) from None


def _metadata_term(query: Filter) -> MetadataTerm:
    kind = query.type if isinstance(query.type, str) else None
    value = _converted(query.value, kind)
    if value is None:
        value = query.value
    if not isinstance(value, str | bool | int | float | dt.datetime):
        raise NotSupportedError(
            _("Query on %(field)s is of %(type)s type and is not supported")
            % {"field": query.field, "type": type(value)}
        )
    return MetadataTerm(metadata.key_of(query.field) or "", value)


def _times(queries: Sequence[Filter], allowed: bool) -> Times:
    times = Times()
    offset: int | None = None
    for query in queries:
        if query.field not in ("timestamp", "search_offset"):
            continue
        if not allowed:
            raise UnknownArgument(query.field, _("not valid for this resource"))
        if query.field == "search_offset":
            if query.op != "eq":
                raise InvalidInput("op", query.op, _("unimplemented operator for %s") % query.field)
            offset = _offset(query.value)
        elif query.op in TIME_OPS:
            try:
                time = timestamps.parse_utc(query.value)
            except ValueError:
                raise InvalidInput("timestamp", query.value, _("invalid timestamp format")) from None
            end = TIME_OPS[query.op]
            setattr(times, end, time)
            setattr(times, f"{end}_op", query.op)
        else:
            raise InvalidInput("op", query.op, _("unimplemented operator for %s") % query.field)
    times.requested_start, times.requested_end = times.start, times.end
    if offset is not None:
        if times.start is None and times.end is None:
            raise InvalidInput("field", "search_offset", _("search_offset cannot be used without timestamp"))
        _widen(times, offset)
    return times


def _offset(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise InvalidInput("search_offset", value, _("Value should be a whole number of minutes")) from None


def _widen(times: Times, minutes: int) -> None:
    try:
        if times.start is not None:
            times.start -= dt.timedelta(minutes=minutes)
        if times.end is not None:
            times.end += dt.timedelta(minutes=minutes)
    except OverflowError as error:
        raise InvalidInput("search_offset", minutes, str(error)) from error
