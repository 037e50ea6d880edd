"""The application's folder around its releases: what Apache, ``run`` and the switch read there."""

from __future__ import annotations

import pwd
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.app import history
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import COLOURS, AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.release.launching import LAUNCHER
from ansible_collections.grove.wsgi.plugins.module_utils.switching import draining


def point_first(folder: AppFolder, release_id: str, account_name: str, *, dry: bool = False) -> bool:
    """Put the release of a first deployment into both slots; return whether that is a change.

    Apache needs both slots and a map when it loads the application's configuration. So they are there before a release
    was verified, and only the history shows which release has served. When an earlier attempt at the first deployment
    failed, its release is replaced. If Apache runs that release already, the slots stay: the switch replaces it.
    """
    if folder.live() is not None:
        is_pointed = all(folder.release_of(colour) == release_id for colour in COLOURS)
        if is_pointed or history.serving(folder) is not None or _is_run_by_apache(account_name):
            return False
    if not dry:
        for colour in COLOURS:
            folder.point(colour, release_id)
        folder.flip(COLOURS[0])
    return True


def _is_run_by_apache(account_name: str) -> bool:
    """Return whether Apache has process groups of the account. Their sockets tell; its processes may be unreadable."""
    try:
        return draining.has_sockets(pwd.getpwnam(account_name).pw_uid)
    except KeyError:
        return False


def write_scripts(folder: AppFolder, release_id: str, slot_wsgi: str, run_script: str, *, dry: bool = False) -> bool:
    """Write ``slot.wsgi``, ``run``, and the launcher for releases without one; return whether that is a change."""
    launcher = folder.release(release_id) / LAUNCHER
    contents = [("launch.py", launcher.read_text(encoding="utf-8"), 0o644)] if launcher.exists() else []
    contents += [("slot.wsgi", slot_wsgi, 0o644), ("run", run_script, 0o755)]
    changed = False
    for name, text, mode in contents:
        path = folder.path / name
        if _text(path) != text:
            changed = True
            if not dry:
                replace_text(path, text, mode=mode)
    return changed


def preload(folder: AppFolder, *, warm: bool, dry: bool = False) -> bool:
    """Let the processes of an idle slot load their release when they start, or not; return whether that is a change."""
    colours = set(COLOURS) if warm else set()
    if dry:
        return folder.preloaded() != colours
    return folder.set_preloaded(colours)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
