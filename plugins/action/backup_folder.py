"""Make, complete and check a backup on the controller, and put its secrets back."""

from __future__ import annotations

import base64
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.module_utils.database.backup import ARCHIVE
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain
from ansible_collections.grove.wsgi.plugins.plugin_utils import backup
from ansible_collections.grove.wsgi.plugins.plugin_utils.inventory import inventory_folders, read_as_inventory
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import INVENTORY_REMEDY, plain


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.backup_folder``; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what came of it, or fail with a message."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = plain(self._task.args)
        try:
            return {**result, **getattr(self, f"_{arguments['state']}")(Path(arguments["folder"]), arguments)}
        except (OperatorError, OSError) as error:
            return {**result, "failed": True, "msg": explain(error)}

    def _begun(self, folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
        if read_as_inventory(str(folder / backup.MANIFEST), inventory_folders()):
            raise backup.BackupFolderError(
                f"database_backup_dir: found {folder}, which Ansible reads as an inventory: {INVENTORY_REMEDY}"
            )
        needed = int(arguments["needed"])
        if self._task.check_mode:
            backup.check_room(folder, needed)
            return {"changed": False, "folder": str(folder)}
        return {"changed": False, "folder": str(backup.begin(folder, needed))}

    def _complete(self, partial: Path, arguments: dict[str, Any]) -> dict[str, Any]:
        made = arguments["made"]
        keys = {name: base64.b64decode(content) for name, content in arguments["keystone"].items()}
        digests = self._secrets(arguments).pack(partial / backup.SECRETS, keys)
        manifest = backup.Manifest(
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            host=made["host"],
            hosts=made["hosts"],
            series=made["series"],
            version=made["version"],
            data_bytes=int(made["data_bytes"]),
            databases=made["databases"],
            files={name: backup.described(partial / name) for name in (ARCHIVE, backup.SECRETS)},
            secrets=digests,
            keystone=sorted(keys),
        )
        folder = backup.complete(partial, manifest)
        removed = backup.prune(folder.parent, int(arguments.get("keep") or 0))
        return {"changed": True, "folder": str(folder), "manifest": asdict(manifest), "removed": removed}

    def _read(self, folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
        manifest = backup.read_manifest(folder)
        problems = self._secrets(arguments).problems(manifest)
        return {"changed": False, "folder": str(folder), "manifest": asdict(manifest), "problems": problems}

    def _keystone(self, folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
        contents = backup.read_secrets(folder / backup.SECRETS)
        keys = {
            name.partition("/")[2]: base64.b64encode(content).decode()
            for name, content in contents.items()
            if name.startswith(f"{backup.KEYSTONE}/")
        }
        return {"changed": False, "keystone": keys}

    def _put_back(self, folder: Path, arguments: dict[str, Any]) -> dict[str, Any]:
        manifest = backup.read_manifest(folder)
        secrets = self._secrets(arguments)
        written = secrets.put_back(folder / backup.SECRETS, manifest, dry=self._task.check_mode)
        return {"changed": bool(written), "folder": str(folder), "manifest": asdict(manifest), "written": written}

    @staticmethod
    def _secrets(arguments: dict[str, Any]) -> backup.Secrets:
        sources = {str(name): Path(path) for name, path in arguments["sources"].items()}
        return backup.Secrets(sources, [Path(path) for path in arguments.get("apart") or ()])
