"""The action ``host_facts``: what a run needs to know of a host first, and what the host's clock shows."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.clocks import clock
from ansible_collections.grove.wsgi.plugins.plugin_utils.host_action import HostAction

SUBSET = ["!all", "!min", "date_time", "distribution", "pkg_mgr", "selinux", "service_mgr"]


class ActionModule(HostAction):
    """Action ``grove.wsgi.host_facts``; see the module's documentation."""

    def work(self) -> dict[str, Any]:
        """Return the facts, and between which seconds the host's clock is ahead of the controller's."""
        before = time.time()
        result = self.call("ansible.builtin.setup", gather_subset=SUBSET)
        after = time.time()
        if result.get("failed") or "ansible_facts" not in result:
            return result
        shown = datetime.fromisoformat(result["ansible_facts"]["ansible_date_time"]["iso8601_micro"]).timestamp()
        own = clock(before, shown, after)
        return {**result, "clock": {"low": own.low, "high": own.high}}
