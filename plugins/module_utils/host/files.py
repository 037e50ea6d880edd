"""Changing files so that a reader, and a machine that loses power, sees the old content or the new one, never a part.

Each function writes beside the path and renames. It raises OSError, and then the path is as it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def replace_text(path: Path, text: str, mode: int) -> None:
    """Write ``text`` to ``path`` as UTF-8, with the permissions ``mode``.

    Bytes that were read with ``surrogateescape`` are written as they were. Until the file is complete only its owner
    may read it.
    """

    def write(temporary: Path) -> None:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())

    _replace(path, write)


def replace_link(path: Path, target: str) -> None:
    """Make ``path`` a symbolic link to ``target``."""
    _replace(path, lambda temporary: temporary.symlink_to(target))


def sync_folder(path: Path) -> None:
    """Write a folder's list of names to the disk: a rename survives a loss of power only after this."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(path: Path, write: Callable[[Path], None]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # A process of the same number may have been killed here.
    temporary.unlink(missing_ok=True)
    try:
        write(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
