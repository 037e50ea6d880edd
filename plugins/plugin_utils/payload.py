"""The inputs of a release on the controller: their digests, and the archive that is sent to the host."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account

# A new number makes another release from the same inputs. It changes when Grove builds releases in another way.
FORMAT = 2
# 2 January 1980, in seconds since the epoch: a wheel is a zip file, and those know no earlier time.
TIME = 315_619_200

LEFT_OUT = frozenset(
    {
        *(".git", ".hg", ".svn", ".bzr", "__pycache__", ".venv", ".tox", ".nox", ".coverage"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".idea", ".vscode", ".DS_Store"),
    }
)
LEFT_OUT_AT_TOP = frozenset({"build", "dist", "venv", "node_modules"})


@dataclass(frozen=True)
class Member:
    """One file of the archive: its name there, and its content or the file on the controller that holds it."""

    name: str
    content: bytes | None = None
    origin: Path | None = None
    executable: bool = False
    is_public: bool = True

    @property
    def mode(self) -> int:
        """The file's mode in the archive."""
        if not self.is_public:
            return 0o640
        return 0o755 if self.executable else 0o644

    def read(self) -> bytes:
        """Return the content."""
        if self.content is not None:
            return self.content
        if self.origin is None:
            raise ValueError(f"{self.name} has neither content nor origin")
        return self.origin.read_bytes()


@dataclass
class Payload:
    """The files of a release. ``inputs`` are the digests of those that make its id."""

    members: list[Member] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=lambda: {"format": FORMAT})

    def identifier(self) -> str:
        """Return the release's id, the same for the same inputs: 12 hexadecimal digits."""
        text = json.dumps(self.inputs, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def add_source(self, source: Mapping[str, Any]) -> None:
        """Add a folder or a wheel of the controller; for other kinds the text of the source is the input.

        An account in its address is no part of the input: a new password makes no other release.
        """
        if source["kind"] == "folder":
            members = list(folder_members(Path(source["path"])))
            self.members += members
            self.inputs["source"] = digest(members)
        elif source["kind"] == "wheel":
            member = Member(os.path.basename(source["path"]), origin=Path(source["path"]))
            self.members.append(member)
            self.inputs["source"] = digest([member])
        else:
            self.inputs["source"] = without_account(source["text"])

    def add_file(self, name: str, content: str, key: str) -> None:
        """Add a file with its content; ``key`` names it among the inputs."""
        self.members.append(Member(name, content=content.encode()))
        self.inputs[key] = hashlib.sha256(content.encode()).hexdigest()[:16]

    def add_beside(self, name: str, content: str) -> None:
        """Add a file that is no input of the release: another content makes no other release."""
        self.members.append(Member(name, content=content.encode(), is_public=False))

    def add_package(self, folder: Path) -> None:
        """Add a Python package of the controller that the application can import besides its own."""
        members = list(folder_members(folder, f"extras/{folder.name}"))
        self.members += members
        self.inputs[f"extras {folder.name}"] = digest(members)

    def write(self, stream: BinaryIO, origin: Mapping[str, Any]) -> None:
        """Write the archive with its RELEASE.json, which holds the inputs and ``origin``; gzip-compressed."""
        release = {"id": self.identifier(), **origin, "inputs": self.inputs}
        description = Member("RELEASE.json", content=(json.dumps(release, indent=2) + "\n").encode())
        with (
            gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w") as archive,
        ):
            for member in [*self.members, description]:
                content = member.read()
                info = tarfile.TarInfo(member.name)
                info.size = len(content)
                info.mtime = TIME
                info.mode = member.mode
                archive.addfile(info, io.BytesIO(content))


def digest(members: list[Member]) -> str:
    """Return the hash of files by name, content and executable bit; order and times do not matter."""
    total = hashlib.sha256()
    for member in sorted(members, key=lambda item: item.name):
        content = hashlib.sha256(member.read()).hexdigest()
        total.update(f"{member.name}\0{content}\0{member.executable}\n".encode())
    return total.hexdigest()[:16]


def folder_members(folder: Path, prefix: str = "src") -> Iterator[Member]:
    """Yield the files of a folder as ``prefix/...``, without what version control and tools leave in it.

    Links are followed inside the folder. Raises ValueError for one that leads outside, or round in a circle.
    """
    top = folder.resolve()
    for current, subfolders, files in os.walk(top, followlinks=True):
        at_top = Path(current) == top
        subfolders[:] = sorted(name for name in subfolders if not _left_out(name, at_top))
        for name in subfolders:
            _refuse_link(Path(current, name), top)
        for name in sorted(files):
            path = Path(current, name)
            if _left_out(name, False) or name.endswith((".pyc", ".pyo")):
                continue
            _refuse_link(path, top)
            if not path.is_file():
                continue
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            yield Member(f"{prefix}/{path.relative_to(top)}", origin=path, executable=executable)


def _refuse_link(path: Path, top: Path) -> None:
    if not path.is_symlink():
        return
    target = path.resolve()
    if not target.is_relative_to(top):
        raise ValueError(f"{path} is a link that leads out of {top}; copy what it leads to into the folder")
    if path.is_relative_to(target):
        raise ValueError(f"{path} is a link to a folder that it is in itself; remove it")


def _left_out(name: str, at_top: bool) -> bool:
    return name in LEFT_OUT or name.endswith(".egg-info") or (at_top and name in LEFT_OUT_AT_TOP)
