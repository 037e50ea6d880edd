"""Modules as Ansible has packed them, kept from one run to the next.

Ansible packs a module with all that it imports, and keeps the result in a folder that ends with the run. Each kind of
module costs a run a fifth of a second of the processor. Here are the files of that folder, by a key of all that goes
into them. Nothing in them is of a host or of a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

NAMES = ("ansible_collections.grove.wsgi.plugins.modules.", "ansible.modules.")
"""Of other collections, the versions are not part of the key."""
ENDING = "-none"
"""The end of a name without extensions of a debugger."""
KEYS_KEPT = 4
"""How many keys have a folder: some checkouts, or versions of Ansible, that a person uses in turn. Each takes 20 MB."""


@dataclass(frozen=True)
class Packed:
    """The packed modules of one key below ``folder``, which belongs to this account alone."""

    folder: Path
    key: str

    def restore(self, target: Path) -> None:
        """Put the files into a run's folder. What may be somebody else's is left alone. Raises OSError."""
        source = self.folder / self.key
        if not (is_own(self.folder) and is_own(source)):
            return
        target.mkdir(parents=True, exist_ok=True)
        for path in packed_files(source):
            if not (target / path.name).exists():
                put(path, target / path.name)
        os.utime(source)

    def keep(self, target: Path, improve: Callable[[bytes], bytes]) -> None:
        """Keep the new files of a run's folder, and forget the keys that were not used for the longest time.

        improve: makes of a file's content what is kept. Raises OSError.
        """
        new = [path for path in packed_files(target) if not (self.folder / self.key / path.name).exists()]
        if not new:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / self.key).mkdir(mode=0o700, exist_ok=True)
        if not (is_own(self.folder) and is_own(self.folder / self.key)):
            return
        for path in new:
            write(self.folder / self.key / path.name, improve(path.read_bytes()))
        keys = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in keys[KEYS_KEPT:]:
            shutil.rmtree(path, ignore_errors=True)


def key_of(versions: Iterable[str], folders: Iterable[Path]) -> str:
    """Return the key of packed modules.

    versions: what else goes into them, such as Ansible's version. folders: where the modules are, and what they import.
    """
    lines = [*versions]
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            status = path.stat()
            lines.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()[:32]


def packed_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that are complete, and have a name that the key covers."""
    if folder.is_dir():
        yield from (path for path in folder.iterdir() if path.name.startswith(NAMES) and path.name.endswith(ENDING))


def put(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it to another file system. Neither Ansible nor Grove changes it."""
    try:
        os.link(source, target)
    except OSError:
        write(target, source.read_bytes())


def write(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all, also after a power cut or on a full disk. Raises OSError.

    Ansible would fail with a part of a packed module, in this run and in each later one.
    """
    number, name = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with open(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(number)
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def is_own(folder: Path) -> bool:
    """Return whether a folder belongs to this account and nobody else may write in it. Ansible runs what is there."""
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
