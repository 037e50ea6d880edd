"""The parameters `limit` and `marker`, and the link to the next page."""

from typing import Any
from urllib.parse import urlencode

import pecan

from telemetry.api.errors import ClientSideError
from telemetry.i18n import _
from telemetry.storage.filters import Page, PageRequest

# An answer of this length does not fit into memory, and every database accepts the number in LIMIT.
BIGGEST_LIMIT = 2**31 - 2


def limit_of(limit: int | None) -> int:
    """Return the limit of a request, or the configured limit for None. Raises a 400 for a limit below 1."""
    if limit is None:
        return int(pecan.request.cfg.api.default_api_return_limit)
    if limit < 1:
        raise ClientSideError(_("Limit must be positive"))
    return min(limit, BIGGEST_LIMIT)


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
