"""Entries for the history of an alarm, and their notifications on the message bus."""

import dataclasses
import datetime as dt
import uuid
from typing import Any

import pecan

from telemetry import json_text, timestamps
from telemetry.alarms import changes
from telemetry.api import identity
from telemetry.storage.records import Alarm, AlarmChange

TIMES = ("timestamp", "state_timestamp")


def _plain(alarm: Alarm) -> dict[str, Any]:
    values = dataclasses.asdict(alarm)
    return {name: value.isoformat() if isinstance(value, dt.datetime) else value for name, value in values.items()}


def difference(old: Alarm, new: Alarm) -> dict[str, Any]:
    """Return the members of the new alarm that differ from the old alarm. Times are left out."""
    before, after = _plain(old), _plain(new)
    return {name: after[name] for name in after if name not in TIMES and before[name] != after[name]}


def change(kind: str, alarm: Alarm, detail: dict[str, Any] | None = None) -> AlarmChange | None:
    """Return the entry for the history, or None if no history is configured or nothing has changed."""
    if detail == {} or not pecan.request.cfg.alarm.record_history:
        return None
    return AlarmChange(
        event_id=str(uuid.uuid4()),
        alarm_id=alarm.alarm_id,
        type=kind,
        detail=json_text.dumps(_plain(alarm) if detail is None else detail),
        user_id=identity.user_id(),
        project_id=identity.project_id(),
        on_behalf_of=alarm.project_id,
        timestamp=timestamps.utcnow(),
        severity=alarm.severity,
    )


def announce(entry: AlarmChange | None) -> None:
    """Send an entry to the message bus, if one is configured."""
    if entry is None or pecan.request.notifier is None:
        return
    payload = changes.payload(entry)
    pecan.request.notifier.announce(changes.event_type(entry), payload, entry.user_id, entry.project_id)
