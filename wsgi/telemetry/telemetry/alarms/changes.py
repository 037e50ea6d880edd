"""The kinds of entries in the history of an alarm, and their form on the message bus."""

import dataclasses
from typing import Any

from telemetry import json_text
from telemetry.storage.records import AlarmChange

CREATION, RULE_CHANGE, STATE_TRANSITION, DELETION = "creation", "rule change", "state transition", "deletion"


def event_type(entry: AlarmChange) -> str:
    """Return the type of the notification of an entry, such as `alarm.state_transition`."""
    return f"alarm.{entry.type.replace(' ', '_')}"


def payload(entry: AlarmChange) -> dict[str, Any]:
    """Return the payload of the notification of an entry."""
    return dataclasses.asdict(entry) | {
        "timestamp": entry.timestamp.isoformat(),
        "detail": json_text.loads_stored(entry.detail),
    }
