"""The action ``show``: lines of text on the terminal, where the result of a task would be quoted and wrapped."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.show``; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Show ``lines``."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        for line in self._task.args["lines"]:
            Display().display(str(line))
        return {**result, "changed": False}
