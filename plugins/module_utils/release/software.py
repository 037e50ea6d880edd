"""The software of a release, its virtualenvs, as an archive that another host unpacks instead of building them.

Virtualenvs are relocatable, but for the path of the application's folder. So the archive fits a host with the same
distribution and the same Python, where the folder is at the same place.
"""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.release import virtualenvs
from ansible_collections.grove.wsgi.plugins.module_utils.release.plan import BuildError

INPUTS = ("format", "source", "lock", "requirements", "package", "python")
"""Those inputs of a release that its virtualenvs are made of."""
SHARED, OWN = "shared", "venv"
"""The folders of the archive: the virtualenv of the lock, and the release's own."""
MODE = 0o755
"""The permissions that a file of the archive may have at most."""


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
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        dependencies, own = release / virtualenvs.DEPENDENCIES, release / OWN
        if dependencies.exists():
            packed.add(dependencies.resolve(), SHARED, filter=_plain)
        if not own.is_symlink():
            packed.add(own, OWN, filter=_plain)
        if (release / virtualenvs.RESOLVED).exists():
            packed.add(release / virtualenvs.RESOLVED, virtualenvs.RESOLVED, filter=_plain)


def unpack(archive: Path, release: Path, shared: Path | None, group: int) -> None:
    """Unpack software into a release that is being made. ``shared`` is where the virtualenv of its lock belongs.

    A virtualenv of the lock that is there stays. ``group`` is the number of the group that may read it. Raises
    BuildError for an archive of something else, and what tarfile raises.
    """
    with tempfile.TemporaryDirectory(prefix=".software.", dir=release) as folder, tarfile.open(archive) as packed:
        unpacked = Path(folder)
        trusted: dict[str, Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
        packed.extractall(unpacked, members=_checked(packed), **trusted)
        if shared is not None and not shared.is_dir():
            _move(unpacked / SHARED, shared)
            os.chown(shared, 0, group)
            shared.chmod(0o750)
        if (unpacked / OWN).is_dir():
            _move(unpacked / OWN, release / OWN)
        elif shared is not None:
            (release / OWN).symlink_to(os.path.relpath(shared, release))
        else:
            raise BuildError("the archive of the software has no virtualenv")
        if (unpacked / virtualenvs.RESOLVED).exists():
            _move(unpacked / virtualenvs.RESOLVED, release / virtualenvs.RESOLVED)


def _move(path: Path, target: Path) -> None:
    if not path.exists():
        raise BuildError(f"the archive of the software has no {path.name}")
    shutil.move(path, target)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member that belongs to root and that everybody may read, whoever may read the folders above it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode &= MODE
    return member


def _checked(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive. Raises BuildError for one that would be unpacked outside the release."""
    links: set[PurePosixPath] = set()
    for member in archive:
        names = [member.name, *([member.linkname] if member.islnk() else [])]
        is_known = member.isfile() or member.isdir() or member.issym() or member.islnk()
        if not is_known or not all(_belongs(PurePosixPath(name), links) for name in names):
            raise BuildError(f"the archive of the software has {member.name}, which is no part of a virtualenv")
        if member.issym():
            links.add(PurePosixPath(member.name))
        yield _plain(member)


def _belongs(path: PurePosixPath, links: set[PurePosixPath]) -> bool:
    inside = ".." not in path.parts and path.parts[:1] in ((SHARED,), (OWN,), (virtualenvs.RESOLVED,))
    return inside and not links.intersection(path.parents)
