"""Read the distribution of a host with one command of its shell."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.distribution import COMMAND, SUBSETS, facts_of


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.distribution``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the facts."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        answer = self._low_level_execute_command(COMMAND)
        if facts := facts_of(answer["stdout"]):
            return {**result, "changed": False, "ansible_facts": facts}
        arguments = {"gather_subset": list(SUBSETS)}
        called: dict[str, Any] = self._execute_module("ansible.builtin.setup", arguments, task_vars=task_vars)
        return called
