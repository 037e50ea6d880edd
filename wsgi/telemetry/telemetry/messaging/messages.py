"""Converts the messages of agents and of bulk requests to records of samples and events."""

import datetime as dt
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from telemetry import json_text, metadata, timestamps
from telemetry.storage.limits import BIGGEST_VOLUME, MESSAGE_ID_LENGTH, NAME_LENGTH, NOT_FINITE, is_storable, is_volume
from telemetry.storage.records import METER_TYPES, Event, Sample, Trait, TraitType, trait_value

MEMBERS = frozenset(
    {
        "source",
        "counter_name",
        "counter_type",
        "counter_unit",
        "counter_volume",
        "user_id",
        "user_name",
        "project_id",
        "project_name",
        "resource_id",
        "timestamp",
        "recorded_at",
        "resource_metadata",
        "message_id",
        "message_signature",
        "monotonic_time",
    }
)


class MessageError(ValueError):
    """An invalid message. `str()` names the member and the reason, in the words of the API."""


def _invalid(name: str, value: Any, why: str) -> MessageError:
    return MessageError(f"Invalid input for field/attribute {name}. Value: '{value}'. {why}")


def load(line: bytes) -> dict[str, Any]:
    """Parse one JSON object. Raises MessageError."""
    try:
        message = json_text.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise MessageError("Request is not in valid JSON format") from error
    if not isinstance(message, dict):
        raise MessageError("Request must be a JSON dict")
    return message


@dataclass
class Reader:
    """Reads sample messages.

    `scope` is the only project whose samples are accepted; None accepts all. user_id, project_id and source are the
    defaults for messages without these members.
    """

    scope: str | None = None
    user_id: str | None = None
    project_id: str | None = None
    source: str = "openstack"
    # Whether the project id is put in front of the source, as in samples that clients post. Agents do so themselves.
    sourced_by_project: bool = True

    def sample(self, message: Mapping[str, Any]) -> Sample:
        """Return the sample of a message. Raises MessageError."""
        unknown = message.keys() - MEMBERS
        if unknown:
            raise MessageError(f"Unknown attribute for argument samples: {', '.join(sorted(unknown))}")
        meter = _text(message, "counter_name", True)
        if not meter:
            raise _invalid("counter_name", meter, "A meter without a name cannot be asked for")
        kind = _text(message, "counter_type", True, 16)
        if kind not in METER_TYPES:
            raise _invalid("counter_type", kind, f"The counter type must be: {', '.join(METER_TYPES)}")
        project_id = _text(message, "project_id") or self.project_id
        if self.scope is not None and project_id != self.scope:
            raise _invalid("project_id", project_id, "can not post samples to other projects")
        source = _text(message, "source") or self.source
        if self.sourced_by_project:
            source = f"{project_id}:{source}"
            if len(source) > NAME_LENGTH:
                raise _invalid("source", source, _too_long(NAME_LENGTH))
        recorded_at = message.get("recorded_at")
        return Sample(
            meter=meter,
            type=kind or "",
            unit=_text(message, "counter_unit", True) or "",
            volume=_volume(message),
            user_id=_text(message, "user_id") or self.user_id,
            project_id=project_id,
            resource_id=_text(message, "resource_id", True) or "",
            source=source,
            timestamp=_time(message, "timestamp"),
            metadata=_metadata(message.get("resource_metadata")),
            message_id=_text(message, "message_id", length=MESSAGE_ID_LENGTH) or str(uuid.uuid1()),
            message_signature=_text(message, "message_signature", length=64),
            recorded_at=None if recorded_at is None else _time(message, "recorded_at"),
        )


def _too_long(length: int) -> str:
    return f"Value should have a maximum character requirement of {length}"


def _check_storable(name: str, value: str) -> None:
    if not is_storable(value):
        raise _invalid(name, value.encode("utf-8", "replace").decode(), "Text cannot be stored")


def _text(message: Mapping[str, Any], name: str, mandatory: bool = False, length: int = NAME_LENGTH) -> str | None:
    value = message.get(name)
    if value is None:
        if mandatory:
            raise _invalid(name, None, "Mandatory field missing.")
        return None
    if not isinstance(value, str):
        raise _invalid(name, value, f"Wrong type. Expected '{str}', got '{type(value)}'")
    if len(value) > length:
        raise _invalid(name, value, _too_long(length))
    _check_storable(name, value)
    return value


def _volume(message: Mapping[str, Any]) -> float:
    value = message.get("counter_volume")
    if value is None:
        raise _invalid("counter_volume", None, "Mandatory field missing.")
    try:
        volume = float(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise _invalid("counter_volume", value, str(error)) from error
    if not is_volume(volume):
        raise _invalid("counter_volume", value, f"The volume must be between {-BIGGEST_VOLUME} and {BIGGEST_VOLUME}")
    return volume


def _time(message: Mapping[str, Any], name: str) -> dt.datetime:
    value = message.get(name)
    if value is None:
        return timestamps.utcnow()
    try:
        return timestamps.parse_utc(value)
    except ValueError:
        raise _invalid(name, value, "invalid timestamp format") from None


def _metadata(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _invalid("resource_metadata", value, f"Value not a valid dict: {value}")
    for key, leaf in metadata.leaves(value):
        _check_storable("resource_metadata", key)
        if isinstance(leaf, str):
            _check_storable("resource_metadata", leaf)
        elif isinstance(leaf, float) and not math.isfinite(leaf):
            raise _invalid(f"resource_metadata {key}", leaf, NOT_FINITE)
    return metadata.nest(value)


def event(message: Mapping[str, Any]) -> Event:
    """Return the event of an agent's message: traits are [name, type number, value]. Raises MessageError."""
    message_id = _text(message, "message_id", True)
    event_type = _text(message, "event_type", True)
    traits = {}
    for item in message.get("traits") or []:
        if not isinstance(item, list) or len(item) != 3:
            raise _invalid("traits", item, "A trait is a list of name, type and value")
        name, number, value = item
        try:
            trait = Trait(str(name)[:NAME_LENGTH], TraitType(number), trait_value(TraitType(number), value))
        except (ValueError, OverflowError) as error:
            raise _invalid("traits", item, str(error)) from error
        traits[trait.name, trait.type] = trait
    raw = message.get("raw") or {}
    if not isinstance(raw, dict):
        raise _invalid("raw", raw, "Value not a valid dict")
    if not json_text.is_finite(raw):
        raise _invalid("raw", raw, NOT_FINITE)
    return Event(message_id or "", event_type or "", _time(message, "generated"), list(traits.values()), raw)
