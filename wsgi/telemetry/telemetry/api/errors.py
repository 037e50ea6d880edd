"""Errors as clients see them: WSME faults with the wording of Ceilometer's API."""

import logging
from typing import Any

import oslo_i18n
import wsme.exc
from wsme.exc import ClientSideError, InvalidInput, MissingArgument

from telemetry import errors
from telemetry.i18n import _

__all__ = ["ClientSideError", "InvalidInput", "MissingArgument", "UnknownArgument"]
LOG = logging.getLogger(__name__)
STATUS = {
    errors.BadQueryError: 400,
    errors.NotFoundError: 404,
    errors.NotSupportedError: 501,
    errors.UnavailableError: 503,
}


class UnknownArgument(wsme.exc.UnknownArgument):  # type: ignore[misc]
    """An unknown parameter or field. WSME's own class cannot add a translatable reason to its text."""

    @property
    def faultstring(self) -> str:
        """Return the text for the caller."""
        return f'Unknown argument: "{self.argname}"' + (f": {self.msg}" if self.msg else "")


class ProjectNotAuthorizedError(ClientSideError):  # type: ignore[misc]
    """A limited caller named another project (or user, with `aspect`)."""

    def __init__(self, name: Any, aspect: str = "project") -> None:
        text = _("Not Authorized to access %(aspect)s %(id)s") % {"aspect": aspect, "id": name}
        super().__init__(text, status_code=401)


class NotFoundError(ClientSideError):  # type: ignore[misc]
    """A sample, resource or event that does not exist."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(_("%(kind)s %(id)s Not Found") % {"kind": kind, "id": name}, status_code=404)


def status_of(error: Exception) -> int:
    """Return the HTTP status for an exception that a controller raised."""
    for kind, status in STATUS.items():
        if isinstance(error, kind):
            return status
    code = getattr(error, "code", None)
    return code if isinstance(error, ClientSideError) and isinstance(code, int) else 500


def fault(error: Exception, language: str | None) -> dict[str, Any]:
    """Return the WSME fault for an exception, translated if `language` is not None.

    An unexpected exception is logged with its traceback. The caller learns no detail of it.
    """
    status = status_of(error)
    if status == 500:
        LOG.error("Unexpected error", exc_info=error)
        return {"faultcode": "Server", "faultstring": _("Internal Server Error"), "debuginfo": None}
    if isinstance(error, wsme.exc.ClientSideError):
        if isinstance(error.msg, oslo_i18n._message.Message):
            error.msg = oslo_i18n.translate(error.msg, language)
        text = error.faultstring
    else:
        text = oslo_i18n.translate(error.args[0], language) if error.args else str(error)
    return {"faultcode": "Client" if status < 500 else "Server", "faultstring": str(text), "debuginfo": None}
