"""The capabilities of the API and its stores."""

from telemetry.api.types.base import Base, attribute


class Capabilities(Base):
    """The name of each capability, and whether it is available."""

    api = attribute({str: bool})
    storage = attribute({str: bool})
    alarm_storage = attribute({str: bool})
    event_storage = attribute({str: bool})
