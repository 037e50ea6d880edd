"""The controller's half of the module ``files``: it does not call a host on which nothing differs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.module_utils.host.written import Text, is_known

MODE = "0644"
UNCHANGED = {"changed": False, "changed_files": [], "diff": []}


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.files``; see the module's documentation. Its subclasses write other files."""

    module = "grove.wsgi.files"
    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Write the files that differ."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        if (known := arguments.get("known")) and self.is_written(arguments, known):
            return {**result, **UNCHANGED}
        # The host has no use for what is known of it.
        sent = {name: value for name, value in arguments.items() if name != "known"}
        called: dict[str, Any] = self._execute_module(self.module, module_args=sent, task_vars=task_vars)
        return called

    def is_written(self, arguments: Mapping[str, Any], known: Mapping[str, str]) -> bool:
        """Return whether a host, of which ``known`` is known, has what the arguments of the module tell to write."""
        texts = [
            Text(Path(one["path"]), one["content"], int(one.get("mode", MODE), 8))
            for one in arguments.get("files") or ()
        ]
        links = {Path(path): str(target) for path, target in (arguments.get("links") or {}).items()}
        return is_known(known, map(Path, arguments.get("folders") or ()), texts, links)
