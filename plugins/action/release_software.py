"""The controller's half of the module ``release_software``: it fetches what the module has packed."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.fetching import fetched, once

MODULE = "grove.wsgi.release_software"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.release_software``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fetch the software of ``apps`` from the host that this task is delegated to, once for all that get it."""
        variables = task_vars or {}
        super().run(tmp, variables)
        arguments = {key: self._task.args[key] for key in ("base", "apps")}
        host = self._task.delegate_to or variables["inventory_hostname"]
        return once({"module": MODULE, "host": host, **arguments}, lambda: self._fetch(arguments, variables))

    def _fetch(self, arguments: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            packed = self._execute_module(MODULE, module_args={**arguments, "into": folder}, task_vars=variables)
            if packed.get("failed"):
                return packed  # type: ignore[no-any-return]
            archives = (packed.get("archives") or {}).items()
            return {"changed": False, "archives": {name: fetched(self._connection, path) for name, path in archives}}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
