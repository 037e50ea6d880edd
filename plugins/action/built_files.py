"""The controller's half of the module ``built_files``: it fetches the archive, and sends it."""

from __future__ import annotations

import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.fetching import fetched

MODULE = "grove.wsgi.built_files"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.built_files``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fetch an archive of ``paths``, or put those of ``archive`` in their places."""
        variables = task_vars or {}
        super().run(tmp, variables)
        paths, local = self._task.args["paths"], self._task.args.get("archive") or ""
        folder = self._make_tmp_path()
        try:
            if not local:
                packed = self._execute_module(MODULE, module_args={"paths": paths, "into": folder}, task_vars=variables)
                if packed.get("failed"):
                    return packed  # type: ignore[no-any-return]
                archive = packed.get("archive")
                return {**packed, "archive": fetched(self._connection, archive) if archive else ""}
            remote = self._connection._shell.join_path(folder, "built.tar.gz")
            self._transfer_file(local, remote)
            os.unlink(local)
            placed: dict[str, Any] = self._execute_module(
                MODULE, module_args={"paths": paths, "archive": remote}, task_vars=variables
            )
            return placed
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
