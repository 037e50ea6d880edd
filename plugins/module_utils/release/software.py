"""The software of a release, its virtualenvs, as an archive that another host unpacks instead of building them.

Virtualenvs are relocatable, but for the path of the application's folder. So the archive fits a host with the same
distribution and the same Python, where the folder is at the same place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host import archives
from ansible_collections.grove.wsgi.plugins.module_utils.release import virtualenvs
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import BuildError

INPUTS = ("format", "source", "lock", "requirements", "package", "python")
"""Those inputs of a release that its virtualenvs are made of."""
SHARED, OWN = "shared", "venv"
"""The folders of the archive: the virtualenv of the lock, and the release's own."""


def inputs_of(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return those ``inputs`` of a release that its software depends on; empty where the Python is not known."""
    return {name: inputs[name] for name in INPUTS if name in inputs} if inputs.get("python") else {}


def find(folder: AppFolder, inputs: Mapping[str, Any]) -> str | None:
    """Return the newest release of an application whose software was made of ``inputs``; None without one."""
    if not inputs or not folder.releases.is_dir():
        return None
    found = [path for path in folder.releases.iterdir() if not path.name.startswith(".")]
    for path in sorted(found, key=lambda one: -one.stat().st_mtime):
        release = folder.describe(path.name)
        if release is not None and inputs_of(release.get("inputs", {})) == dict(inputs):
            return path.name
    return None


def pack(release: Path, archive: Path) -> None:
    """Write the software of a release to a file. Raises OSError."""
    dependencies, own = release / virtualenvs.DEPENDENCIES, release / OWN
    found = {SHARED: dependencies.resolve()} if dependencies.exists() else {}
    # A release of a locked requirement alone has a link to the virtualenv of the lock there.
    if not own.is_symlink():
        found[OWN] = own
    if (release / virtualenvs.RESOLVED).exists():
        found[virtualenvs.RESOLVED] = release / virtualenvs.RESOLVED
    archives.write(archive, found)


def unpack(archive: Path, release: Path, shared: Path | None, group: int) -> None:
    """Unpack software into a release that is being made. ``shared`` is where the virtualenv of its lock belongs.

    A virtualenv of the lock that is there stays. ``group`` is the number of the group that may read it. Raises
    BuildError for an archive of something else, and what tarfile raises.
    """
    with tempfile.TemporaryDirectory(prefix=".software.", dir=release) as folder:
        unpacked = Path(folder)
        try:
            archives.unpack(archive, unpacked, (SHARED, OWN, virtualenvs.RESOLVED))
        except archives.ArchiveError as error:
            raise BuildError(f"the software of another host cannot be used: {error}") from error
        if shared is not None and not shared.is_dir():
            _move(unpacked / SHARED, shared)
            os.chown(shared, 0, group)
            shared.chmod(0o750)
        if (unpacked / OWN).is_dir():
            _move(unpacked / OWN, release / OWN)
        elif shared is not None:
            (release / OWN).symlink_to(os.path.relpath(shared, release))
        else:
            raise BuildError("the software of another host has no virtualenv")
        if (unpacked / virtualenvs.RESOLVED).exists():
            _move(unpacked / virtualenvs.RESOLVED, release / virtualenvs.RESOLVED)


def _move(path: Path, target: Path) -> None:
    if not path.exists():
        raise BuildError(f"the software of another host has no {path.name}")
    shutil.move(path, target)
