"""The controller's half of the module ``release_software``: it fetches what the module has packed."""

from __future__ import annotations

from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.fetching import fetched, once
from ansible_collections.grove.wsgi.plugins.plugin_utils.host_action import HostAction

MODULE = "grove.wsgi.release_software"


class ActionModule(HostAction):
    """Action ``grove.wsgi.release_software``; see the module's documentation."""

    def work(self) -> dict[str, Any]:
        """Fetch the software of ``apps`` from the host that this task is delegated to, once for all that get it."""
        arguments = {key: self._task.args[key] for key in ("base", "apps")}
        return once({"module": MODULE, "host": self.host, **arguments}, lambda: self._fetch(arguments))

    def _fetch(self, arguments: dict[str, Any]) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            packed = self.call(MODULE, **arguments, into=folder)
            if packed.get("failed"):
                return packed
            archives = (packed.get("archives") or {}).items()
            return {"changed": False, "archives": {name: fetched(self._connection, path) for name, path in archives}}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
