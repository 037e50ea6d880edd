"""The hosts of a play by what this run has done on them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

# Facts that the role wsgi_app sets or registers on each host.
NAMES = "__wsgi_app_names"
SWITCHED = "__wsgi_app_switched"


def hosts_with_app(hosts: Iterable[str], app: str, hostvars: Mapping[str, Any]) -> list[str]:
    """Return those of ``hosts`` on which this run deploys ``app``, in their order."""
    return [host for host in hosts if app in (hostvars[host].get(NAMES) or ())]


def hosts_not_switched(hosts: Iterable[str], play_hosts: Collection[str], hostvars: Mapping[str, Any]) -> list[str]:
    """Return those of ``hosts`` that may run an older release, since this run has not switched their traffic.

    ``play_hosts`` are the hosts of the play that have not failed.
    """
    return [host for host in hosts if host not in play_hosts or hostvars[host].get(SWITCHED) is None]


class FilterModule:
    """Filters of the role ``wsgi_app``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"hosts_with_app": hosts_with_app, "hosts_not_switched": hosts_not_switched}
