"""What can go wrong below the API. The API gives each its status; drivers and the collector raise them."""


class TelemetryError(Exception):
    """Base of all errors here; `str()` is a text for the caller."""


class BadQueryError(TelemetryError):
    """The question has no answer: a value that the store cannot compare, a bad regular expression, a bad marker."""


class NotSupportedError(TelemetryError):
    """The store cannot do this at all."""


class UnavailableError(TelemetryError):
    """The store, or the message bus, does not answer now; the same request may succeed later."""


class NotFoundError(TelemetryError):
    """What was to be changed does not exist."""


class SchemaMismatchError(TelemetryError):
    """The database's schema is older or newer than this code; the text names the command to run."""
