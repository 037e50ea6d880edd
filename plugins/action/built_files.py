"""The controller's half of the module ``built_files``: it fetches the archive, and sends it."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.fetching import fetched
from ansible_collections.grove.wsgi.plugins.plugin_utils.host_action import HostAction

MODULE = "grove.wsgi.built_files"


class ActionModule(HostAction):
    """Action ``grove.wsgi.built_files``; see the module's documentation."""

    def work(self) -> dict[str, Any]:
        """Fetch an archive of ``paths``, or put those of ``archive`` in their places."""
        paths, local = self._task.args["paths"], self._task.args.get("archive") or ""
        folder = self._make_tmp_path()
        try:
            if not local:
                packed = self.call(MODULE, paths=paths, into=folder)
                if packed.get("failed"):
                    return packed
                archive = packed.get("archive")
                return {**packed, "archive": fetched(self._connection, archive) if archive else ""}
            remote = self._connection._shell.join_path(folder, "built.tar.gz")
            self._transfer_file(local, remote)
            os.unlink(local)
            return self.call(MODULE, paths=paths, archive=remote)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
