"""Meters, and samples in the form of /v2/meters/{name}."""

import base64
from typing import Any

from telemetry import metadata
from telemetry.api.types import base
from telemetry.api.types.base import Base, attribute
from telemetry.storage import records


class Meter(Base):
    """A meter of a resource."""

    name = attribute(str, mandatory=True)
    type = attribute(str, mandatory=True)
    unit = attribute(str, mandatory=True)
    resource_id = attribute(str)
    project_id = attribute(str)
    user_id = attribute(str)
    source = attribute(str)
    meter_id = attribute(str, mandatory=True)

    @classmethod
    def from_record(cls, record: records.Meter) -> Any:
        """Return the meter as clients see it."""
        identity = f"{record.resource_id}+{record.name}".encode()
        return cls.answer(
            name=record.name,
            type=record.type,
            unit=record.unit,
            resource_id=record.resource_id,
            project_id=record.project_id,
            user_id=record.user_id,
            source=record.source,
            meter_id=base64.b64encode(identity).decode(),
        )


class OldSample(Base):
    """A sample with the member names that notifications use."""

    source = attribute(str)
    counter_name = attribute(str, mandatory=True)
    counter_type = attribute(str, mandatory=True)
    counter_unit = attribute(str, mandatory=True)
    counter_volume = attribute(float, mandatory=True)
    user_id = attribute(str)
    project_id = attribute(str)
    resource_id = attribute(str, mandatory=True)
    timestamp = attribute(base.timestamp)
    recorded_at = attribute(base.timestamp)
    resource_metadata = attribute({str: str})
    message_id = attribute(str)

    @classmethod
    def from_record(cls, record: records.Sample) -> Any:
        """Return the sample as clients see it."""
        return cls.answer(
            source=record.source,
            counter_name=record.meter,
            counter_type=record.type,
            counter_unit=record.unit,
            counter_volume=record.volume,
            user_id=record.user_id,
            project_id=record.project_id,
            resource_id=record.resource_id,
            timestamp=record.timestamp,
            recorded_at=record.recorded_at,
            resource_metadata=metadata.flatten(record.metadata),
            message_id=record.message_id,
        )
