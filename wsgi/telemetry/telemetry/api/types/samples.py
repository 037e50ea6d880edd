"""Samples in the form of /v2/samples, and the answer to a bulk request."""

from typing import Any

from telemetry import metadata
from telemetry.api.types import base
from telemetry.api.types.base import Base, attribute
from telemetry.storage import records


class Sample(Base):
    """One measurement."""

    id = attribute(str)
    meter = attribute(str)
    type = attribute(str)
    unit = attribute(str)
    volume = attribute(float)
    user_id = attribute(str)
    project_id = attribute(str)
    resource_id = attribute(str)
    source = attribute(str)
    timestamp = attribute(base.timestamp)
    recorded_at = attribute(base.timestamp)
    metadata = attribute({str: str})

    @classmethod
    def from_record(cls, record: records.Sample) -> Any:
        """Return the sample as clients see it."""
        return cls.answer(
            id=record.message_id,
            meter=record.meter,
            type=record.type,
            unit=record.unit,
            volume=record.volume,
            user_id=record.user_id,
            project_id=record.project_id,
            resource_id=record.resource_id,
            source=record.source,
            timestamp=record.timestamp,
            recorded_at=record.recorded_at,
            metadata=metadata.flatten(record.metadata),
        )


class BulkResult(Base):
    """The number of samples that a bulk request stored, and of those that were stored before."""

    stored = attribute(int)
    duplicates = attribute(int)
