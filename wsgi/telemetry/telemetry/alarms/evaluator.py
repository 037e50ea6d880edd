"""Evaluates one alarm: reads what its rule needs, decides, and changes the state."""

import datetime as dt
import logging
import uuid
from collections.abc import Callable

from oslo_config import cfg

from telemetry import json_text, timestamps
from telemetry.alarms import actions, changes, combination, constraints, threshold
from telemetry.alarms.verdict import Verdict
from telemetry.api.errors import ClientSideError
from telemetry.errors import BadQueryError, NotSupportedError
from telemetry.storage.records import Alarm, AlarmChange, Statistics
from telemetry.storage.stores import Stores

LOG = logging.getLogger(__name__)
TYPES = ("threshold", "combination")


class Evaluator:
    """Evaluates alarms of the stores. `announce` is called with each change of state that was recorded."""

    def __init__(self, conf: cfg.ConfigOpts, stores: Stores, announce: Callable[[AlarmChange], None]) -> None:
        self._conf, self._stores, self._announce = conf, stores, announce

    def evaluate(self, alarm: Alarm, now: dt.datetime | None = None) -> Verdict | None:
        """Evaluate an alarm as it was read. Return the verdict that was stored, or None if nothing was to be done.

        `now` is in naive UTC. Raises UnavailableError, and KeyError, TypeError or ValueError for a broken alarm.
        """
        now = timestamps.utcnow() if now is None else now
        if alarm.type not in TYPES or not constraints.within(alarm.time_constraints, now):
            return None
        if alarm.type == "threshold":
            verdict = threshold.decide(alarm, self._statistics(alarm, now))
        else:
            verdict = combination.decide(alarm, self._stores.evaluation.alarm_states(alarm.rule["alarm_ids"]))
        if verdict is None or not self._store(alarm, verdict):
            return None
        return verdict

    def _statistics(self, alarm: Alarm, now: dt.datetime) -> list[Statistics]:
        """Return the statistics of a rule. A query that the store cannot answer gives none."""
        try:
            return self._stores.metering.statistics(threshold.request(alarm.rule, now))
        except (BadQueryError, ClientSideError, NotSupportedError) as error:
            LOG.warning("The query of alarm %s cannot be answered: %s", alarm.alarm_id, error)
            return []

    def _store(self, alarm: Alarm, verdict: Verdict) -> bool:
        """Store the verdict. Return whether the alarm was still as it was read."""
        transition = verdict.state != alarm.state
        pending = actions.notifications_of(alarm, verdict)
        if not transition and not pending:
            return False
        now = timestamps.utcnow()
        entry = self._entry(alarm, verdict, now) if transition else None
        if not self._stores.evaluation.change_alarm_state(alarm, verdict.state, now, entry, pending):
            LOG.info("Alarm %s was changed while it was evaluated", alarm.alarm_id)
            return False
        if transition:
            LOG.info("Alarm %s changes from %s to %s: %s", alarm.alarm_id, alarm.state, verdict.state, verdict.reason)
        if entry is not None:
            self._announce(entry)
        return True

    def _entry(self, alarm: Alarm, verdict: Verdict, now: dt.datetime) -> AlarmChange | None:
        if not self._conf.alarm.record_history:
            return None
        return AlarmChange(
            event_id=str(uuid.uuid4()),
            alarm_id=alarm.alarm_id,
            type=changes.STATE_TRANSITION,
            detail=json_text.dumps({"state": verdict.state, "transition_reason": verdict.reason}),
            user_id=None,
            project_id=None,
            on_behalf_of=alarm.project_id,
            timestamp=now,
            severity=alarm.severity,
        )
