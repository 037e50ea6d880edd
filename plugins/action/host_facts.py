"""The action ``host_facts``: what a run needs to know of a host first, and what the host's clock shows."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.clocks import clock

SUBSET = ["!all", "!min", "date_time", "distribution", "pkg_mgr", "selinux", "service_mgr"]


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.host_facts``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the facts, and between which seconds the host's clock is ahead of the controller's."""
        variables = task_vars or {}
        super().run(tmp, variables)
        before = time.time()
        result: dict[str, Any] = self._execute_module(
            "ansible.builtin.setup", module_args={"gather_subset": SUBSET}, task_vars=variables
        )
        after = time.time()
        if result.get("failed") or "ansible_facts" not in result:
            return result
        shown = datetime.fromisoformat(result["ansible_facts"]["ansible_date_time"]["iso8601_micro"]).timestamp()
        own = clock(before, shown, after)
        return {**result, "clock": {"low": own.low, "high": own.high}}
