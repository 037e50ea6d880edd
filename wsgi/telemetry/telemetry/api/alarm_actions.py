"""Checks of the actions of an alarm: the URLs to call when its state changes."""

from urllib.parse import urlsplit

import pecan

from telemetry.api import identity
from telemetry.api.errors import ClientSideError
from telemetry.api.types.alarms import ACTIONS
from telemetry.i18n import _
from telemetry.storage.records import Alarm

# These write to the evaluator's own log, so only a caller who sees all projects may ask for them.
INTERNAL = ("log", "test")


def check(alarm: Alarm) -> None:
    """Raise a 400 for an action that cannot be carried out, a 401 for one that the caller may not ask for."""
    options = pecan.request.cfg.alarm
    for name in ACTIONS:
        actions: list[str] = getattr(alarm, name)
        if 0 <= options.alarm_max_actions < len(actions):
            raise ClientSideError(
                _("%(name)s count exceeds maximum value %(maximum)s")
                % {"name": name, "maximum": options.alarm_max_actions}
            )
        for action in actions:
            _check(action, options.action_schemes)


def _check(action: str, schemes: list[str]) -> None:
    try:
        parts = urlsplit(action)
    except ValueError:
        raise ClientSideError(_("Unable to parse action %s") % action) from None
    scheme = parts.scheme
    if scheme not in schemes:
        raise ClientSideError(_("Unsupported action %s") % action)
    if scheme.startswith("trust+") and parts.username is None:
        raise ClientSideError(_("Action %s needs credentials: trusts are not made here") % action)
    if scheme in INTERNAL and identity.scope().limited:
        raise ClientSideError(_("You are not authorized to create action: %s") % action, status_code=401)
