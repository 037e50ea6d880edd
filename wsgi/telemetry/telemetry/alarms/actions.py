"""The actions of an alarm: URLs that are called when its state changes.

A URL may hold secrets, so that logs show its receiver only.
"""

import uuid
from urllib.parse import SplitResult, urlsplit

from telemetry import json_text, timestamps
from telemetry.alarms.verdict import ALARM, OK, UNKNOWN, Verdict
from telemetry.storage.limits import NAME_LENGTH
from telemetry.storage.records import Alarm, Notification

TRUST = "trust+"
FIELDS = {OK: "ok_actions", ALARM: "alarm_actions", UNKNOWN: "insufficient_data_actions"}


def split(action: str) -> SplitResult:
    """Return the parts of an action. Raises ValueError."""
    parts = urlsplit(action)
    # Its getter raises ValueError.
    parts.port  # noqa: B018
    return parts


def receiver_of(action: str) -> str:
    """Return the server of an action, without user, password, path and query."""
    try:
        parts = split(action)
    except ValueError:
        return "invalid"
    port = f":{parts.port}" if parts.port is not None else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}"[:NAME_LENGTH]


def notifications_of(alarm: Alarm, verdict: Verdict) -> list[Notification]:
    """Return a notification for each action of the state that the alarm gets, or keeps."""
    now = timestamps.utcnow()
    body = {
        "alarm_name": alarm.name,
        "alarm_id": alarm.alarm_id,
        "severity": alarm.severity,
        "previous": alarm.state,
        "current": verdict.state,
        "reason": verdict.reason,
        "reason_data": json_text.finite(verdict.reason_data),
    }
    return [
        Notification(
            notification_id=str(uuid.uuid4()),
            alarm_id=alarm.alarm_id,
            action=action,
            receiver=receiver_of(action),
            body=body,
            created=now,
            due=now,
        )
        for action in dict.fromkeys(getattr(alarm, FIELDS[verdict.state]))
    ]
