"""The controller's half of the module ``keystone_keys``: it keeps the keys out of every output."""

from __future__ import annotations

from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.host_action import HostAction
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import plain

MODULE = "grove.wsgi.keystone_keys"


class ActionModule(HostAction):
    """Action ``grove.wsgi.keystone_keys``; see the module's documentation."""

    def work(self) -> dict[str, Any]:
        """Call the module. A result with keys is shown to nobody, and an error without them to everybody."""
        result = self.call(MODULE, **plain(self._task.args))
        if result.get("material"):
            result["_ansible_no_log"] = True
        return result
