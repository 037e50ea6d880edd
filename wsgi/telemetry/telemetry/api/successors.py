"""The services that replaced parts of this API: Gnocchi (samples), Aodh (alarms) and Panko (events).

The functions without arguments check the configuration. They return if this API answers itself, and otherwise raise the
HTTP answer for the caller.
"""

from urllib.parse import urlsplit, urlunsplit

import pecan
import webob.exc

from telemetry.i18n import _
from telemetry.query.conversion import boolean


def gnocchi() -> None:
    """Raise a 410 if Gnocchi has the samples."""
    if pecan.request.cfg.api.gnocchi_is_enabled:
        raise _gone_to_gnocchi()


def gnocchi_unless_posting() -> None:
    """Raise a 410 if Gnocchi has the samples, but for a POST: samples may still be sent to the message bus.

    Raises a 400 for a POST that asks to store samples here.
    """
    if not pecan.request.cfg.api.gnocchi_is_enabled:
        return
    if pecan.request.method != "POST":
        raise _gone_to_gnocchi()
    try:
        direct = boolean(pecan.request.params.get("direct", "false"))
    except ValueError:
        direct = False
    if direct:
        raise webob.exc.HTTPBadRequest(detail=_("direct option cannot be true when Gnocchi is enabled."))
    if pecan.request.notifier is None:
        raise _gone_to_gnocchi()


def aodh() -> None:
    """Raise a 308 to Aodh if it has the alarms, a 410 if its URL is not configured."""
    options = pecan.request.cfg.api
    _redirect("Aodh", "alarms", options.aodh_is_enabled, options.aodh_url)


def panko() -> None:
    """Raise a 308 to Panko if it has the events, a 410 if its URL is not configured."""
    options = pecan.request.cfg.api
    _redirect("Panko", "events", options.panko_is_enabled, options.panko_url)


def _gone_to_gnocchi() -> webob.exc.HTTPGone:
    return webob.exc.HTTPGone(
        detail=_(
            "This telemetry installation is configured to use Gnocchi. Please use the Gnocchi API available on the "
            "metric endpoint to retrieve data."
        )
    )


def _redirect(service: str, kinds: str, enabled: bool | None, url: str | None) -> None:
    """Redirect to the same path and query of a service. `enabled` None means: if its URL is configured."""
    if enabled is False or (enabled is None and not url):
        return
    if not url:
        raise webob.exc.HTTPGone(
            detail=_("%(kinds)s URLs is unavailable when %(service)s is disabled or unavailable.")
            % {"kinds": kinds, "service": service}
        )
    base = urlsplit(url.removesuffix("/"))
    path = base.path + pecan.request.script_name + pecan.request.path_info
    location = urlunsplit((base.scheme, base.netloc, path, pecan.request.query_string, ""))
    raise webob.exc.HTTPPermanentRedirect(location=location)
