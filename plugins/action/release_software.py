"""The controller's half of the module ``release_software``: it fetches what the module has packed."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

MODULE = "grove.wsgi.release_software"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.release_software``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fetch the software of ``apps`` from the host that this task is delegated to."""
        variables = task_vars or {}
        super().run(tmp, variables)
        arguments = {key: self._task.args[key] for key in ("base", "apps")}
        remote = "" if self._task.check_mode else self._make_tmp_path()
        try:
            packed = self._execute_module(MODULE, module_args={**arguments, "into": remote}, task_vars=variables)
            result: dict[str, Any] = {**packed, "archives": self._fetch(packed.get("archives") or {})}
            return result
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _fetch(self, archives: dict[str, str]) -> dict[str, str]:
        """Return the paths of the fetched archives. Ansible removes the folder of its temporary files when it ends."""
        fetched = {}
        for name, path in archives.items():
            handle, local = tempfile.mkstemp(prefix=f"{name}-", suffix=".tar.gz", dir=constants.DEFAULT_LOCAL_TMP)
            os.close(handle)
            self._connection.fetch_file(path, local)
            fetched[name] = local
        return fetched
