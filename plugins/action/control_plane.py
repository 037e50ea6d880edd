"""Check the variables of a control plane, and write the secrets that do not exist yet."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.plugin_utils.inventory import inventory_folders, read_as_inventory
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.control_plane import parse_control_plane
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.errors import wrong
from ansible_collections.grove.wsgi.plugins.plugin_utils.openstack.secrets import VARIABLE, write_secrets
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import INVENTORY_REMEDY, plain


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.control_plane``; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the arguments and the names of the secrets that were written, or fail with all problems."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        checked = {key: plain(self._task.args[key]) for key in ("settings", "services")}
        try:
            plane = parse_control_plane(checked["settings"], checked["services"])
            plane.problems().raise_any()
            refuse_inventory(str(checked["settings"]["secrets_dir"]))
            folder = plane.generations.path(plane.generations.target)
            written = write_secrets(folder, plane.secret_names, dry=self._task.check_mode)
            plane.read_secrets(predict=self._task.check_mode)
        except OperatorError as error:
            return {**result, "failed": True, "msg": str(error)}
        return {**result, "changed": bool(written), "written": written, **checked}


def refuse_inventory(folder: str) -> None:
    """Raise ControlPlaneError where Ansible would read the secrets in ``folder`` as inventories."""
    if read_as_inventory(os.path.join(folder, "generation"), inventory_folders()):
        raise wrong(VARIABLE, folder, f"Ansible reads it as an inventory: {INVENTORY_REMEDY}")
