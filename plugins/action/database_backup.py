"""The controller's half of the module ``database_backup``: it fetches an archive, and sends it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.backup import described

MODULE = "grove.wsgi.database_backup"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.database_backup``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the module, and bring the archive to the controller or to the host."""
        variables = task_vars or {}
        super().run(tmp, variables)
        state = self._task.args.get("state")
        if state not in ("made", "restored") or self._task.check_mode:
            return self._call(variables)
        into = self._make_tmp_path()
        try:
            return self._fetch(into, variables) if state == "made" else self._send(into, variables)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _fetch(self, into: str, variables: dict[str, Any]) -> dict[str, Any]:
        result = self._call(variables, into=into)
        if result.get("failed"):
            return result
        made, local = result["made"], Path(self._task.args["local"])
        fetched = False
        try:
            os.close(os.open(local, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            self._connection.fetch_file(made["archive"], str(local))
            _sync(local)
            fetched = described(local) == {"bytes": made["bytes"], "sha256": made["sha256"]}
        finally:
            # What fills a disk goes away at once.
            if not fetched:
                local.unlink(missing_ok=True)
            self._call(variables, state="removed")
        if not fetched:
            return {**result, "failed": True, "msg": f"{local} was not what the host has sent; run again"}
        return result

    def _send(self, into: str, variables: dict[str, Any]) -> dict[str, Any]:
        received = self._call(variables, state="received", into=into)
        if received.get("failed"):
            return received
        archive = received["archive"]
        if archive:
            self._transfer_file(self._task.args["local"], archive)
        return self._call(variables, archive=archive or None)

    def _call(self, variables: dict[str, Any], **more: Any) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            MODULE, module_args={**self._task.args, **more}, task_vars=variables
        )
        return result


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
