"""The errors of stores, of the message bus and of queries. The API maps each to an HTTP status."""


class TelemetryError(Exception):
    """Base of the errors. `str()` is a message for the client."""


class BadQueryError(TelemetryError):
    """A query that the store cannot answer: a value that it cannot compare, a bad regular expression or marker."""


class NotSupportedError(TelemetryError):
    """The store does not support the operation."""


class UnavailableError(TelemetryError):
    """The store or the message bus does not answer. The same request may succeed later."""


class NotFoundError(TelemetryError):
    """The object to change does not exist."""


class SchemaMismatchError(TelemetryError):
    """The schema of the database is older or newer than this code. The message names the command to run."""


class NoSchemaError(SchemaMismatchError):
    """The database has no schema yet."""
