"""Archives of files that one host has built and another one gets: virtualenvs, programs, modules of Apache."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

MODE = 0o755
"""The permissions that a file of the archive may have at most."""


class ArchiveError(ValueError):
    """The archive has something else than it may have; the message names it."""


def write(archive: Path, paths: Mapping[str, Path]) -> None:
    """Write files and folders to an archive, each by the name that it gets there. Raises OSError.

    The archive belongs to the owner of its folder, the account by which Ansible logs in and fetches it.
    """
    owner = archive.parent.stat()
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        archive.chmod(0o600)
        for name, path in paths.items():
            packed.add(path, name, filter=_plain)
    os.chown(archive, owner.st_uid, owner.st_gid)


def unpack(archive: Path, folder: Path, names: Collection[str]) -> None:
    """Unpack an archive into a folder. ``names`` are those that it may have at its top.

    All that is unpacked belongs to root. Raises ArchiveError, and what tarfile raises.
    """
    trusted: dict[str, Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
    with tarfile.open(archive) as packed:
        packed.extractall(folder, members=_checked(packed, names), **trusted)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member that belongs to root and that everybody may read, whoever may read the folders above it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode &= MODE
    return member


def _checked(archive: tarfile.TarFile, names: Collection[str]) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive. Raises ArchiveError for one that would be unpacked elsewhere."""
    links: set[PurePosixPath] = set()
    for member in archive:
        paths = [PurePosixPath(name) for name in (member.name, *([member.linkname] if member.islnk() else []))]
        is_known = member.isfile() or member.isdir() or member.issym() or member.islnk()
        for path in paths:
            inside = ".." not in path.parts and path.parts and path.parts[0] in names
            if not is_known or not inside or links.intersection(path.parents):
                raise ArchiveError(f"the archive has {member.name}, which does not belong there")
        if member.issym():
            links.add(PurePosixPath(member.name))
        yield _plain(member)
