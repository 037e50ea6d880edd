"""Resources and their links."""

from typing import Any

from telemetry import metadata
from telemetry.api import names
from telemetry.api.types import base
from telemetry.api.types.base import Base, attribute
from telemetry.storage import records


class Link(Base):
    """A link: its URL, and its relation to the resource."""

    href = attribute(str)
    rel = attribute(str)


class Resource(Base):
    """A resource: something that samples were measured of."""

    resource_id = attribute(str, mandatory=True)
    project_id = attribute(str)
    user_id = attribute(str)
    first_sample_timestamp = attribute(base.timestamp)
    last_sample_timestamp = attribute(base.timestamp)
    metadata = attribute({str: str})
    links = attribute([Link])
    source = attribute(str)

    @classmethod
    def from_record(cls, record: records.Resource, root: str) -> Any:
        """Return the resource as clients see it; `root` is the application's URL."""
        links = [Link.answer(href=f"{root}/v2/resources/{names.in_link(record.resource_id)}", rel="self")]
        links += [
            Link.answer(
                href=f"{root}/v2/meters/{names.in_link(meter)}?q.field=resource_id&q.value={record.resource_id}",
                rel=meter,
            )
            for meter in record.meters
        ]
        return cls.answer(
            resource_id=record.resource_id,
            project_id=record.project_id,
            user_id=record.user_id,
            first_sample_timestamp=record.first_sample_timestamp,
            last_sample_timestamp=record.last_sample_timestamp,
            metadata=metadata.flatten(record.metadata),
            links=links,
            source=record.source,
        )
