"""The controller's half of the module ``built_files``: it fetches the archive, and sends it."""

from __future__ import annotations

from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.fetching import fetched, once
from ansible_collections.grove.wsgi.plugins.plugin_utils.host_action import HostAction

MODULE = "grove.wsgi.built_files"


class ActionModule(HostAction):
    """Action ``grove.wsgi.built_files``; see the module's documentation."""

    def work(self) -> dict[str, Any]:
        """Fetch an archive of ``paths``, once for all hosts, or put those of ``archive`` in their places."""
        paths, local = self._task.args["paths"], self._task.args.get("archive") or ""
        if not local:
            return once({"module": MODULE, "host": self.host, "paths": paths}, lambda: self._fetch(paths))
        folder = self._make_tmp_path()
        try:
            remote = self._connection._shell.join_path(folder, "built.tar.gz")
            self._transfer_file(local, remote)
            return self.call(MODULE, paths=paths, archive=remote)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _fetch(self, paths: list[str]) -> dict[str, Any]:
        folder = self._make_tmp_path()
        try:
            packed = self.call(MODULE, paths=paths, into=folder)
            if packed.get("failed"):
                return packed
            archive = packed.get("archive")
            return {"changed": False, "archive": fetched(self._connection, archive) if archive else ""}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
