"""The controller's half of the module ``package_lock``: it says for whom a run waits, and when that takes too long."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits, package_locks

MODULE = "grove.wsgi.package_lock"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.package_lock``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Wait until the packages of the host are free. Fails with the program that keeps them."""
        variables = task_vars or {}
        super().run(tmp, variables)
        host = variables["inventory_hostname"]
        end = time.monotonic() + limits.PACKAGE_LOCK_SECONDS
        named, seconds = None, 0.0
        while True:
            result: dict[str, Any] = self._execute_module(MODULE, module_args={"seconds": seconds}, task_vars=variables)
            if result.get("failed") or not result["holder"] or self._task.check_mode:
                return result
            holder = package_locks.Holder(**result["holder"])
            left = end - time.monotonic()
            if left <= 0:
                return {**result, "failed": True, "msg": package_locks.timeout_text(host, holder)}
            if holder != named:
                self._display.display(f"{host}: waiting for {holder}, at most {left:.0f} s")
            named, seconds = holder, min(left, limits.PACKAGE_LOCK_CALL_SECONDS)
