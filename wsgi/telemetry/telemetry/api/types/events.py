"""Events and traits."""

import datetime as dt
from typing import Any

import wsme.types

from telemetry import timestamps
from telemetry.api.errors import InvalidInput
from telemetry.api.types import base
from telemetry.api.types.base import Base, attribute, check_name, check_present, value_or
from telemetry.i18n import _
from telemetry.storage import records
from telemetry.storage.records import TraitType

TRAIT_TYPES = {kind.name.lower(): kind for kind in TraitType}


class JsonObject(wsme.types.UserType):  # type: ignore[misc]
    """Any JSON object. In XML it is JSON text."""

    basetype = object
    name = "object"

    @staticmethod
    def validate(value: Any) -> Any:
        """Return the value. Raises ValueError unless it is an object."""
        if not isinstance(value, dict):
            raise ValueError("Value not a valid dict: %s" % (value,))  # noqa: UP031
        return value


json_object = JsonObject()


class TraitDescription(Base):
    """The name and type of a trait that events of a type have."""

    name = attribute(str, mandatory=True)
    type = attribute(str, mandatory=True)

    @classmethod
    def of(cls, name: str, kind: TraitType) -> "TraitDescription":
        """Return the description as clients see it."""
        return cls(name=name, type=kind.name.lower())


class Trait(Base):
    """A trait, its value as text."""

    name = attribute(str, mandatory=True)
    type = attribute(str, mandatory=True)
    value = attribute(str, mandatory=True)

    @classmethod
    def from_record(cls, record: records.Trait) -> Any:
        """Return the trait as clients see it."""
        value = record.value.isoformat() if isinstance(record.value, dt.datetime) else str(record.value)
        return cls.answer(name=record.name, type=record.type.name.lower(), value=value)

    def record(self) -> records.Trait:
        """Return the trait to store. Raises a 400 for a value that is not of its type."""
        check_present(self, ["name", "type", "value"])
        check_name("name", self.name)
        if self.type not in TRAIT_TYPES:
            raise InvalidInput("type", self.type, _("Value should be one of: %s") % ", ".join(TRAIT_TYPES))
        kind = TRAIT_TYPES[self.type]
        return records.Trait(self.name, kind, typed(kind, self.value))


def typed(kind: TraitType, text: str) -> records.TraitValue:
    """Return a trait's value from its text. Raises a 400."""
    try:
        return records.trait_value(kind, text)
    except ValueError:
        raise InvalidInput(
            "value",
            text,
            _("Unable to convert the value %(value)s to the expected data type %(type)s.")
            % {"value": text, "type": kind.name.lower()},
        ) from None


class Event(Base):
    """An event."""

    message_id = attribute(str, mandatory=True)
    event_type = attribute(str, mandatory=True)
    generated = attribute(base.timestamp, mandatory=True)
    traits = attribute([Trait])
    raw = attribute(json_object)

    @classmethod
    def from_record(cls, record: records.Event) -> Any:
        """Return the event as clients see it, its traits sorted by name."""
        return cls.answer(
            message_id=record.message_id,
            event_type=record.event_type,
            generated=record.generated,
            traits=[Trait.from_record(trait) for trait in sorted(record.traits, key=lambda trait: trait.name)],
            raw=dict(record.raw),
        )

    def record(self) -> records.Event:
        """Return the event to store. Raises a 400."""
        check_present(self, ["message_id", "event_type", "generated"])
        check_name("message_id", self.message_id)
        check_name("event_type", self.event_type)
        try:
            generated = timestamps.naive_utc(self.generated)
        except OverflowError as error:
            raise InvalidInput("generated", self.generated, str(error)) from error
        raw = value_or(self.raw, {})
        traits = [trait.record() for trait in value_or(self.traits, [])]
        if len({(trait.name, trait.type) for trait in traits}) < len(traits):
            raise InvalidInput("traits", [trait.name for trait in traits], _("Traits must be unique"))
        return records.Event(self.message_id, self.event_type, generated, traits, raw)
