"""Combination rules: the states of other alarms, all or any of which must be `alarm`."""

from collections.abc import Mapping
from typing import Any

from telemetry.alarms.verdict import ALARM, OK, UNKNOWN, Verdict
from telemetry.storage.records import Alarm

COMBINE: dict[str, Any] = {"and": all, "or": any}


def decide(alarm: Alarm, states: Mapping[str, str]) -> Verdict | None:
    """Return the verdict on an alarm, or None if nothing is to be done.

    `states` are the states of the other alarms by their ids. An alarm that is not in it does not exist. Raises KeyError
    or TypeError for a broken rule.
    """
    operator, members = alarm.rule["operator"], alarm.rule["alarm_ids"]
    combine = COMBINE[operator]
    in_alarm = [states.get(member) == ALARM for member in members]
    unknown = [member for member in members if states.get(member, UNKNOWN) == UNKNOWN]
    if unknown and not (operator == "or" and any(in_alarm)):
        if alarm.state == UNKNOWN:
            return None
        return Verdict(UNKNOWN, f"Alarms {','.join(unknown)} are in unknown state", _data(unknown))
    state = ALARM if combine(in_alarm) else OK
    if state == alarm.state and not alarm.repeat_actions:
        return None
    causes = [member for member in members if states.get(member) == state]
    begin = "Remaining as" if state == alarm.state else "Transition to"
    return Verdict(state, f"{begin} {state} due to alarms {','.join(causes)} in state {state}", _data(causes))


def _data(alarm_ids: list[str]) -> dict[str, Any]:
    return {"type": "combination", "alarm_ids": alarm_ids}
