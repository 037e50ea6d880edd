"""Let a program of OpenStack repeat requests that a service answers with 503, because its broker or database is away.

Such a program works on requests that are acknowledged already, so it must not give up. The libraries of its clients use
keystoneauth, which does not ask again unless its caller wants it to, and nova has no option for that for neutron.
"""

from __future__ import annotations

import functools
from typing import Any

PAUSE = 5.0
"""Seconds until the next attempt after an answer without Retry-After."""


def ask_again(attempts: int) -> None:
    """Let keystoneauth make up to ``attempts`` more attempts at a request that is answered with 503.

    It waits as long as Retry-After says between two of them. A caller that names a number of its own keeps it. Raises
    ImportError without keystoneauth.
    """
    from keystoneauth1.session import Session

    request = Session.request

    @functools.wraps(request)
    def retrying(session: Any, url: str, method: str, *arguments: Any, **options: Any) -> Any:
        if not arguments and options.get("status_code_retries") is None:
            options |= {"status_code_retries": attempts, "status_code_retry_delay": PAUSE}
        return request(session, url, method, *arguments, **options)

    Session.request = retrying  # type: ignore[method-assign, assignment]
