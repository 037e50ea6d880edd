"""Alarms, their time constraints, and their history."""

import datetime as dt
import zoneinfo
from typing import Any

import croniter
import stevedore
import wsme.types

from telemetry.api.errors import ClientSideError, InvalidInput
from telemetry.api.types import base
from telemetry.api.types.alarm_rules import Rule
from telemetry.api.types.base import Base, attribute, check_name, check_present, value_or
from telemetry.i18n import _
from telemetry.storage import records

State = wsme.types.Enum(str, "ok", "alarm", "insufficient data")
Severity = wsme.types.Enum(str, "low", "moderate", "critical")
UNKNOWN_STATE = "insufficient data"
ACTIONS = ("ok_actions", "alarm_actions", "insufficient_data_actions")
EXTENSIONS: stevedore.ExtensionManager[Rule] = stevedore.ExtensionManager("telemetry.alarm.rule")
RULES: dict[str, Any] = {extension.name: extension.plugin for extension in EXTENSIONS}


class Cron(wsme.types.UserType):  # type: ignore[misc]
    """A cron expression of 5 columns, or 6 with seconds."""

    basetype = str
    name = "cron"

    @staticmethod
    def validate(value: Any) -> Any:
        """Return the text. Raises ValueError."""
        if len(str(value).split()) not in (5, 6):
            raise ValueError("Exactly 5 or 6 columns has to be specified for iteratorexpression.")
        try:
            croniter.croniter(value)
        except (croniter.CroniterError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(str(error)) from error
        return value


class AlarmTimeConstraint(Base):
    """The times at which an alarm is evaluated: from each `start`, for `duration` seconds."""

    name = attribute(str, mandatory=True)
    description = attribute(str)
    start = attribute(Cron(), mandatory=True)
    duration = attribute(wsme.types.IntegerType(minimum=0), mandatory=True)
    timezone = attribute(str)

    def as_dict(self) -> dict[str, Any]:
        """Return the constraint as it is stored. Raises a 400."""
        check_present(self, ["name", "start", "duration"])
        timezone = value_or(self.timezone, "")
        if timezone:
            try:
                zoneinfo.ZoneInfo(timezone)
            except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
                raise ClientSideError(_("Timezone %s is not valid") % timezone) from None
        default = f"Time constraint at {self.start} lasting for {self.duration} seconds"
        return {
            "name": self.name,
            "description": value_or(self.description, default),
            "start": self.start,
            "duration": self.duration,
            "timezone": timezone,
        }


class Alarm(wsme.types.DynamicBase):  # type: ignore[misc]
    """An alarm; the member `<type>_rule` holds its rule."""

    alarm_id = attribute(str)
    name = attribute(str, mandatory=True)
    description = attribute(str)
    enabled = attribute(bool)
    ok_actions = attribute([str])
    alarm_actions = attribute([str])
    insufficient_data_actions = attribute([str])
    repeat_actions = attribute(bool)
    type = attribute(str, mandatory=True)
    time_constraints = attribute([AlarmTimeConstraint])
    project_id = attribute(str)
    user_id = attribute(str)
    timestamp = attribute(base.timestamp)
    state = attribute(State)
    state_timestamp = attribute(base.timestamp)
    severity = attribute(Severity)

    def rule(self) -> Rule:
        """Return the rule that belongs to the type. Raises a 400 if it is missing or another rule is set too."""
        if self.type not in RULES:
            raise InvalidInput("type", self.type, _("Value should be one of: %s") % ", ".join(sorted(RULES)))
        own = f"{self.type}_rule"
        rule = value_or(getattr(self, own), None)
        if rule is None:
            raise ClientSideError(_("%(rule)s must be set for %(type)s type alarm") % {"rule": own, "type": self.type})
        for other in sorted(RULES):
            if other != self.type and value_or(getattr(self, f"{other}_rule"), None) is not None:
                raise ClientSideError(
                    _("%(one)s and %(other)s cannot be set at the same time") % {"one": own, "other": f"{other}_rule"}
                )
        checked: Rule = rule
        checked.check()
        return checked

    def record(self, alarm_id: str, owner: tuple[str | None, str | None], now: dt.datetime) -> records.Alarm:
        """Return the alarm to store, with the owner's user and project. Raises a 400."""
        check_present(self, ["name", "type"])
        for name in ("name", "user_id", "project_id"):
            check_name(name, getattr(self, name))
        rule = self.rule()
        constraints = [constraint.as_dict() for constraint in value_or(self.time_constraints, [])]
        if len({constraint["name"] for constraint in constraints}) < len(constraints):
            raise ClientSideError(_("Time constraint names must be unique for a given alarm."))
        user_id, project_id = owner
        actions = {name: list(dict.fromkeys(value_or(getattr(self, name), []))) for name in ACTIONS}
        return records.Alarm(
            alarm_id=alarm_id,
            type=self.type,
            enabled=value_or(self.enabled, True),
            name=self.name,
            description=value_or(self.description, None) or rule.description(),
            timestamp=now,
            user_id=user_id,
            project_id=project_id,
            state=value_or(self.state, UNKNOWN_STATE),
            state_timestamp=now,
            repeat_actions=value_or(self.repeat_actions, False),
            rule=rule.as_dict(),
            time_constraints=constraints,
            severity=value_or(self.severity, "low"),
            **actions,
        )

    @classmethod
    def from_record(cls, record: records.Alarm) -> "Alarm":
        """Return the alarm as clients see it."""
        alarm = cls(
            **{
                name: getattr(record, name)
                for name in (
                    "alarm_id",
                    "name",
                    "description",
                    "enabled",
                    "repeat_actions",
                    "type",
                    "project_id",
                    "user_id",
                    "timestamp",
                    "state",
                    "state_timestamp",
                    "severity",
                    *ACTIONS,
                )
            },
            time_constraints=[AlarmTimeConstraint(**constraint) for constraint in record.time_constraints],
        )
        if record.type in RULES:
            setattr(alarm, f"{record.type}_rule", RULES[record.type].from_dict(record.rule))
        return alarm


Alarm.add_attributes(**{f"{name}_rule": attribute(rule) for name, rule in RULES.items()})


class AlarmChange(Base):
    """One entry of an alarm's history; `detail` is JSON text."""

    event_id = attribute(str)
    alarm_id = attribute(str)
    type = attribute(wsme.types.Enum(str, "creation", "rule change", "state transition", "deletion"))
    detail = attribute(str)
    project_id = attribute(str)
    user_id = attribute(str)
    on_behalf_of = attribute(str)
    timestamp = attribute(base.timestamp)

    @classmethod
    def from_record(cls, record: records.AlarmChange) -> "AlarmChange":
        """Return the change as clients see it."""
        return cls(
            **{
                name: getattr(record, name)
                for name in (
                    "event_id",
                    "alarm_id",
                    "type",
                    "detail",
                    "project_id",
                    "user_id",
                    "on_behalf_of",
                    "timestamp",
                )
            }
        )
