"""The size of Apache's event MPM, for its configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.mpm import Mpm


def mpm(servers: int | str, threads: int | str, cores: int | str) -> dict[str, int]:
    """Return processes, threads and limits for httpd_server_limit, httpd_threads_per_child and the host's cores."""
    size = Mpm.sized(int(servers), int(threads), int(cores))
    return {
        "servers": size.servers,
        "server_limit": size.server_limit,
        "threads": size.threads,
        "workers": size.workers,
    }


class FilterModule:
    """Filters of the role ``httpd``."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"mpm": mpm}
