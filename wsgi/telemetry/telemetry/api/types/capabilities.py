"""What the API and its stores can do."""

from telemetry.api.types.base import Base, attribute


class Capabilities(Base):
    """Flat names with a boolean each."""

    api = attribute({str: bool})
    storage = attribute({str: bool})
    alarm_storage = attribute({str: bool})
    event_storage = attribute({str: bool})
