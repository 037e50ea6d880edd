"""The parameters `limit` and `marker`, and the link to the next page."""

from typing import Any
from urllib.parse import urlencode

import pecan

from telemetry.api.errors import ClientSideError
from telemetry.i18n import _
from telemetry.storage.filters import Page, PageRequest


def limit_of(limit: int | None) -> int:
    """Return the limit of a request, or the default for None; at most the configured maximum.

    Raises a 400 for a limit below 1.
    """
    options = pecan.request.cfg.api
    if limit is None:
        limit = int(options.default_api_return_limit)
    if limit < 1:
        raise ClientSideError(_("Limit must be positive"))
    return min(limit, int(options.max_api_return_limit))


def page_of(limit: int | None, marker: str | None) -> PageRequest:
    """Return the page that a request asks for. Raises a 400."""
    return PageRequest(limit_of(limit), marker or None)


def items_of(page: Page[Any]) -> list[Any]:
    """Return the items of a page, and add the header Link to the answer if a next page exists."""
    if page.next_marker is not None:
        request = pecan.request
        parameters = [(name, value) for name, value in request.GET.items() if name != "marker"]
        query = urlencode([*parameters, ("marker", page.next_marker)])
        pecan.response.headers["Link"] = f'<{request.path_url}?{query}>; rel="next"'
    return page.items
