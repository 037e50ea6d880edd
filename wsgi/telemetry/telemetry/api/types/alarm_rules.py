"""The rules of alarms: one class a type, found through entry point group `telemetry.alarm.rule`.

A rule says how it is described when its alarm is not, and what it forbids.
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
        """Raise a 400 for a rule that makes no sense."""
        check_present(self, self._mandatory)

    def description(self) -> str:
        """Return the description of an alarm that has none."""
        return ""

    def as_dict(self) -> dict[str, Any]:
        """Return the rule as it is stored."""
        found = {}
        for one in wsme.types.list_attributes(type(self)):
            value = value_or(getattr(self, one.key), self._defaults.get(one.key, Unset))
            if value is not Unset:
                found[one.name] = [item.as_dict() if isinstance(item, Query) else item for item in value] \
                    if isinstance(value, list) else value
        return found

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Rule":
        """Return the rule of the wire."""
        values = dict(stored)
        if isinstance(values.get("query"), list):
            values["query"] = [Query(**item) for item in values["query"]]
        return cls(**values)


class ThresholdRule(Rule):
    """A statistic of a meter compares with a threshold."""

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
        "query": [], "period": 60, "comparison_operator": "eq", "statistic": "avg", "evaluation_periods": 1,
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
    """All or any of other alarms are in state alarm."""

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
    """An event of a type, with traits, has come."""

    event_type = attribute(str)
    query = attribute([Query])

    _defaults: ClassVar[dict[str, Any]] = {"event_type": "*", "query": []}

    def description(self) -> str:
        return f"Alarm when {self.as_dict()['event_type']} event occurred."


class GnocchiRule(Rule):
    """What Gnocchi's rules share."""

    threshold = attribute(float, mandatory=True)
    aggregation_method = attribute(str, mandatory=True)
    comparison_operator = attribute(Operator)
    evaluation_periods = attribute(Positive)
    granularity = attribute(Positive)

    _defaults: ClassVar[dict[str, Any]] = {"comparison_operator": "eq", "evaluation_periods": 1, "granularity": 60}


class GnocchiResourceRule(GnocchiRule):
    """A metric of one resource compares with a threshold."""

    metric = attribute(str, mandatory=True)
    resource_id = attribute(str, mandatory=True)
    resource_type = attribute(str, mandatory=True)

    _mandatory: ClassVar[list[str]] = ["threshold", "aggregation_method", "metric", "resource_id", "resource_type"]


class GnocchiMetricsRule(GnocchiRule):
    """An aggregate over metrics compares with a threshold."""

    metrics = attribute([str], mandatory=True)

    _mandatory: ClassVar[list[str]] = ["threshold", "aggregation_method", "metrics"]


class GnocchiResourcesAggregationRule(GnocchiRule):
    """An aggregate over the metric of the resources that a query finds compares with a threshold."""

    metric = attribute(str, mandatory=True)
    query = attribute(str, mandatory=True)
    resource_type = attribute(str, mandatory=True)

    _mandatory: ClassVar[list[str]] = ["threshold", "aggregation_method", "metric", "query", "resource_type"]
