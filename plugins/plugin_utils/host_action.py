"""The base of actions that call modules on the host of their task."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class HostAction(ActionBase):  # type: ignore[misc]
    """An action whose work is on the controller and on a host, also in check mode."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do the work, with the variables of the task in ``variables``, and return its result."""
        self.variables = task_vars or {}
        super().run(tmp, self.variables)
        return self.work()

    def work(self) -> dict[str, Any]:
        """Do what the action is for; return the result of the task."""
        raise NotImplementedError

    @property
    def host(self) -> str:
        """The name of the host that the modules run on."""
        return str(self._task.delegate_to or self.variables["inventory_hostname"])

    def call(self, module: str, **arguments: Any) -> dict[str, Any]:
        """Run a module on the host; return its result, which says so if the module failed."""
        result: dict[str, Any] = self._execute_module(module, module_args=arguments, task_vars=self.variables)
        return result
