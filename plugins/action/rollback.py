"""The controller's half of the module ``rollback``: it describes this run, where that is to begin a deployment."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.action.deployment import past_dead_runs, this_run

MODULE = "grove.wsgi.rollback"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.rollback``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Put the earlier release of ``app`` live."""
        super().run(tmp, task_vars)
        own = {"run": this_run()} if self._task.args.get("begin") else {}

        def call(dead: list[dict[str, Any]]) -> dict[str, Any]:
            arguments = {**self._task.args, **own, "dead": dead}
            result: dict[str, Any] = self._execute_module(MODULE, module_args=arguments, task_vars=task_vars)
            return result

        return past_dead_runs(call)
