"""The size of Apache's event MPM, for its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.grove.wsgi.plugins.plugin_utils.mpm import DESCRIPTORS, Machine, Mpm, MpmError


def mpm(servers: int | str, threads: int | str, host: Mapping[str, Any]) -> dict[str, int]:
    """Return processes, threads and limits for httpd_server_limit, httpd_threads_per_child and a host's facts."""
    try:
        size = Mpm.sized(int(servers), int(threads), Machine.of(host))
    except MpmError as error:
        raise AnsibleFilterError(str(error)) from None
    return {
        "servers": size.servers,
        "server_limit": size.server_limit,
        "threads": size.threads,
        "workers": size.workers,
        "factor": size.factor,
        "connections": size.connections,
        "address_connections": size.address_connections,
        "tasks": size.tasks,
        "descriptors": DESCRIPTORS,
    }


class FilterModule:
    """Filters of the role ``httpd``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"mpm": mpm}
