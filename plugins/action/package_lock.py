"""The controller's half of the module ``package_lock``: it says for whom a run waits, and when that takes too long."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.host import limits, package_locks
from ansible_collections.grove.wsgi.plugins.plugin_utils.host_action import HostAction

MODULE = "grove.wsgi.package_lock"


class ActionModule(HostAction):
    """Action ``grove.wsgi.package_lock``; see the module's documentation."""

    def work(self) -> dict[str, Any]:
        """Wait until the packages of the host are free. Fails with the program that keeps them."""
        host = self.variables["inventory_hostname"]
        end = time.monotonic() + limits.PACKAGE_LOCK_SECONDS
        named, seconds = None, 0.0
        while True:
            result = self.call(MODULE, seconds=seconds)
            if result.get("failed") or not result["holder"] or self._task.check_mode:
                return result
            holder = package_locks.Holder(**result["holder"])
            left = end - time.monotonic()
            if left <= 0:
                return {**result, "failed": True, "msg": package_locks.timeout_text(host, holder)}
            if holder != named:
                self._display.display(f"{host}: waiting for {holder}, at most {left:.0f} s")
            named, seconds = holder, min(left, limits.PACKAGE_LOCK_CALL_SECONDS)
