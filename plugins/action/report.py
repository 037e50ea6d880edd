"""The action ``report``: the page about an inventory, made of what its hosts have told."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils import lock_text, locking
from ansible_collections.grove.wsgi.plugins.plugin_utils.inventory import inventory_paths
from ansible_collections.grove.wsgi.plugins.plugin_utils.report.model import Known, is_read, model, unread
from ansible_collections.grove.wsgi.plugins.plugin_utils.report.newest import newest
from ansible_collections.grove.wsgi.plugins.plugin_utils.report.page import page

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = "3.11"
"""The Python for which the index is asked where a lock does not say: Debian 12's."""


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.report``; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the page, and the hosts that could not be read."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        hosts: Mapping[str, Mapping[str, Any]] = arguments["hosts"]
        index, problem = None, ""
        if arguments.get("ask_index"):
            environment = locking.environment_of_uv(os.environ, arguments.get("uv_environment") or {})
            index, problem = newest(package_names(hosts.values()), PYTHON, environment)
        folders = [*search_path(inventory_paths()), os.environ.get("PWD", os.getcwd()), str(REPOSITORY)]
        known = Known(
            locks=locks(hosts.values(), folders), tools=arguments.get("tools") or {}, index=index, problem=problem
        )
        made_at = datetime.now(UTC)
        title = ", ".join(map(shown, inventories())) or "inventory"
        html = page(model(hosts, known), title=title, made_at=made_at)
        return {**result, "changed": False, "page": html, "unread": unread(hosts)}


def package_names(hosts: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the names of the packages of all live releases that came from an index."""
    parts = [part for one in hosts if is_read(one, "software") for part in one["software"]["parts"]]
    return {name for part in parts if part["serves"] and part["release"] for name in part["packages"]}


def locks(hosts: Iterable[Mapping[str, Any]], folders: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the versions in the locks that the records name, by app and package; no lock is no fault here."""
    found: dict[str, dict[str, str]] = {}
    for one in hosts:
        for app, text in (one.get("locks") or {}).items():
            path = next((path for folder in folders if (path := Path(folder, str(text))).is_file()), None)
            if app not in found and path:
                packages = lock_text.packages(path.read_text(encoding="utf-8", errors="replace"))
                found[app] = {package.name: package.version for package in packages}
    return found


def inventories() -> list[str]:
    """Return what the command line names as the inventory."""
    sources = context.CLIARGS.get("inventory") or constants.DEFAULT_HOST_LIST or ()
    return [sources] if isinstance(sources, str) else [str(source) for source in sources]


def shown(path: str) -> str:
    """Return the name of an inventory: its path from the current folder, or its last part where that leads up."""
    relative = os.path.relpath(path)
    return os.path.basename(os.path.abspath(path)) if relative.startswith("..") else relative


def search_path(paths: Iterable[str]) -> list[str]:
    """Return the folders beside the inventories in which the files of records are looked up."""
    folders = [path if os.path.isdir(path) else os.path.dirname(path) for path in paths]
    return [folder for path in dict.fromkeys(folders) for folder in (os.path.join(path, "files"), path)]
