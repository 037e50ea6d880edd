"""The controller's half of the module ``built_files``: it fetches the archive, and sends it."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.fetching import fetched, once

MODULE = "grove.wsgi.built_files"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.built_files``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fetch an archive of ``paths``, once for all hosts, or put those of ``archive`` in their places."""
        variables = task_vars or {}
        super().run(tmp, variables)
        paths, local = self._task.args["paths"], self._task.args.get("archive") or ""
        if not local:
            host = self._task.delegate_to or variables["inventory_hostname"]
            return once({"module": MODULE, "host": host, "paths": paths}, lambda: self._fetch(paths, variables))
        folder = self._make_tmp_path()
        try:
            remote = self._connection._shell.join_path(folder, "built.tar.gz")
            self._transfer_file(local, remote)
            placed: dict[str, Any] = self._execute_module(
                MODULE, module_args={"paths": paths, "archive": remote}, task_vars=variables
            )
            return placed
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _fetch(self, paths: list[str], variables: dict[str, Any]) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            packed = self._execute_module(MODULE, module_args={"paths": paths, "into": folder}, task_vars=variables)
            if packed.get("failed"):
                return packed  # type: ignore[no-any-return]
            archive = packed.get("archive")
            return {"changed": False, "archive": fetched(self._connection, archive) if archive else ""}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
