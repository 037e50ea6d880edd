"""Who may read a release: root owns it, the application's group reads it, and others read what Apache serves itself."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.release.virtualenvs import remove_uv_lock

GROUP_FOLDERS = ("src", "etc", "runtime", "extras", "venv")
GROUP_FILES = (
    *("RELEASE.json", "app.wsgi", "commands.json", "lock.txt", "paste.json", "plan.json"),
    *("resolved.txt", "sbom.cdx.json"),
)


def make_folders(folder: AppFolder, group: int) -> None:
    """Make the application's folders: everybody may enter them, and the group ``group`` (a number) may list them."""
    for path, mode in ((folder.path, 0o751), (folder.releases, 0o751), (folder.virtualenvs, 0o750)):
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        _restrict(path, group, mode)


def restrict(release: Path, group: int) -> None:
    """Let the group ``group`` (a number) read a release, and nobody else."""
    remove_uv_lock(release / "venv")
    _restrict(release, group, 0o751)
    for name in GROUP_FOLDERS:
        path = release / name
        if path.is_dir() and not path.is_symlink():
            _restrict(path, group, 0o750)
    for name in GROUP_FILES:
        if (release / name).exists():
            _restrict(release / name, group, 0o640)
    for parent, folders, files in os.walk(release / "etc"):
        for name in [*folders, *files]:
            path = Path(parent, name)
            if not path.is_symlink():
                _restrict(path, group, 0o750 if path.is_dir() else 0o640)


def publish(static: Path) -> None:
    """Let everybody read the folders that Apache serves."""
    static.chmod(0o755)
    for parent, folders, files in os.walk(static):
        for name in folders:
            Path(parent, name).chmod(0o755)
        for name in files:
            Path(parent, name).chmod(0o644)


def _restrict(path: Path, group: int, mode: int) -> None:
    os.chown(path, 0, group)
    path.chmod(mode)
