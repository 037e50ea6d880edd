"""The rules of alarms, one class for each type. Entry points of the group `telemetry.alarm.rule` name the classes.

A rule checks itself, and provides the description for an alarm that has none.
"""

from typing import Any, ClassVar

import wsme.types

from telemetry.api.errors import ClientSideError
from telemetry.api.types.base import Base, Unset, attribute, check_present, value_or
from telemetry.api.types.query import Query
from telemetry.i18n import _
from telemetry.query import simple

Operator = wsme.types.Enum(str, "lt", "le", "eq", "ne", "ge", "gt")
Positive = wsme.types.IntegerType(minimum=1)


class Rule(Base):
    """Base of the rules. `_defaults` are stored for members that are absent or null."""

    _mandatory: ClassVar[list[str]] = []
    _defaults: ClassVar[dict[str, Any]] = {}

    def check(self) -> None:
        """Raise a 400 for an invalid rule."""
        check_present(self, self._mandatory)

    def description(self) -> str:
        """Return the description of an alarm that has none."""
        return ""

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as it is stored."""
        stored = {}
        for member in wsme.types.list_attributes(type(self)):
            value = value_or(getattr(self, member.key), self._defaults.get(member.key, Unset))
            if value is not Unset:
                stored[member.name] = (
                    [item.as_dict() if isinstance(item, Query) else item for item in value]
                    if isinstance(value, list)
                    else value
                )
        return stored

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Rule":
        """Return the rule as clients see it."""
        values = dict(stored)
        if isinstance(values.get("query"), list):
            values["query"] = [Query(**item) for item in values["query"]]
        return cls(**values)


class ThresholdRule(Rule):
    """A statistic of a meter, compared with a threshold."""

    meter_name = attribute(str, mandatory=True)
    query = attribute([Query])
    period = attribute(Positive)
    comparison_operator = attribute(Operator)
    threshold = attribute(float, mandatory=True)
    statistic = attribute(wsme.types.Enum(str, "max", "min", "avg", "sum", "count"))
    evaluation_periods = attribute(Positive)
    exclude_outliers = attribute(bool)

    _mandatory: ClassVar[list[str]] = ["meter_name", "threshold"]
    _defaults: ClassVar[dict[str, Any]] = {
        "query": [],
        "period": 60,
        "comparison_operator": "eq",
        "statistic": "avg",
        "evaluation_periods": 1,
        "exclude_outliers": False,
    }

    def check(self) -> None:
        super().check()
        timeless = [key for key in simple.SAMPLES if key not in ("timestamp", "search_offset")]
        simple.parse(value_or(self.query, []), timeless)

    def description(self) -> str:
        stored = self.as_dict()
        return (
            f"Alarm when {stored['meter_name']} is {stored['comparison_operator']} a {stored['statistic']} of "
            f"{stored['threshold']} over {stored['period']} seconds"
        )


class CombinationRule(Rule):
    """The state of several other alarms, all or any of which must be `alarm`."""

    operator = attribute(wsme.types.Enum(str, "and", "or"))
    alarm_ids = attribute([str], mandatory=True)

    _mandatory: ClassVar[list[str]] = ["alarm_ids"]
    _defaults: ClassVar[dict[str, Any]] = {"operator": "and"}

    def check(self) -> None:
        super().check()
        if len(set(self.alarm_ids)) < 2:
            raise ClientSideError(_("Alarm combination rule should contain at least two different alarm ids."))

    def as_dict(self) -> dict[str, Any]:
        stored = super().as_dict()
        stored["alarm_ids"] = list(dict.fromkeys(stored["alarm_ids"]))
        return stored

    def description(self) -> str:
        stored = self.as_dict()
        separator = f" {stored['operator']} "
        return f"Combined state of alarms {separator.join(stored['alarm_ids'])}"


class EventRule(Rule):
    """The arrival of an event of a type, with certain traits."""

    event_type = attribute(str)
    query = attribute([Query])

    _defaults: ClassVar[dict[str, Any]] = {"event_type": "*", "query": []}

    def description(self) -> str:
        return f"Alarm when {self.as_dict()['event_type']} event occurred."


class GnocchiRule(Rule):
    """Base of the rules for Gnocchi."""

    threshold = attribute(float, mandatory=True)
    aggregation_method = attribute(str, mandatory=True)
    comparison_operator = attribute(Operator)
    evaluation_periods = attribute(Positive)
    granularity = attribute(Positive)

    _defaults: ClassVar[dict[str, Any]] = {"comparison_operator": "eq", "evaluation_periods": 1, "granularity": 60}


class GnocchiResourceRule(GnocchiRule):
    """A metric of one resource, compared with a threshold."""

    metric = attribute(str, mandatory=True)
    resource_id = attribute(str, mandatory=True)
    resource_type = attribute(str, mandatory=True)

    _mandatory: ClassVar[list[str]] = ["threshold", "aggregation_method", "metric", "resource_id", "resource_type"]


class GnocchiMetricsRule(GnocchiRule):
    """An aggregate over several metrics, compared with a threshold."""

    metrics = attribute([str], mandatory=True)

    _mandatory: ClassVar[list[str]] = ["threshold", "aggregation_method", "metrics"]


class GnocchiResourcesAggregationRule(GnocchiRule):
    """An aggregate over one metric of all resources that match a query, compared with a threshold."""

    metric = attribute(str, mandatory=True)
    query = attribute(str, mandatory=True)
    resource_type = attribute(str, mandatory=True)

    _mandatory: ClassVar[list[str]] = ["threshold", "aggregation_method", "metric", "query", "resource_type"]
