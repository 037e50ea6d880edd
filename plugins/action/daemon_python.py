"""The controller's half of the module ``daemon_python``: it does not call a host on which nothing differs."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.action.files import UNCHANGED, without_known
from ansible_collections.grove.wsgi.plugins.module_utils.host.written import Text, is_known
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.daemon_python import FILE_MODE, DaemonPython

MODULE = "grove.wsgi.daemon_python"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.daemon_python``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Make what is missing or differs."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        python = DaemonPython.of(arguments)
        texts = [Text(path, content, FILE_MODE) for path, content in python.files().items()]
        if (known := arguments.get("known")) and is_known(known, (), texts, {python.link: python.python}):
            return {**result, **UNCHANGED}
        called: dict[str, Any] = self._execute_module(MODULE, module_args=without_known(arguments), task_vars=task_vars)
        return called
