"""The inputs of a release on the controller: their digests, and the archive that is sent to the host."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from ansible_collections.grove.wsgi.plugins.module_utils.release.output import without_account

from .source_files import SourceFiles, excluding

# A new number makes another release from the same inputs. It changes when Grove builds releases in another way.
FORMAT = 2
# 2 January 1980, in seconds since the epoch: a wheel is a zip file, and those know no earlier time.
TIME = 315_619_200
EXCLUDED_FROM_PACKAGES = ("/build", "/dist", "/venv", "/node_modules")


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
    """The files of a release. ``inputs`` are the digests of those that make its id.

    ``warnings`` say what a folder holds that the release does not get. ``left_out`` has those paths of the source, each
    with the pattern of ``exclude`` that matches, or an empty text for a link. ``inventories`` are left out of folders.
    """

    members: list[Member] = field(default_factory=list)
    inputs: dict[str, Any] = field(default_factory=lambda: {"format": FORMAT})
    warnings: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    inventories: Collection[str] = ()

    def identifier(self) -> str:
        """Return the release's id, the same for the same inputs: 12 hexadecimal digits."""
        text = json.dumps(self.inputs, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def add_source(self, source: Mapping[str, Any], exclude: Collection[str] = ()) -> None:
        """Add a folder or a wheel of the controller; for other kinds the text of the source is the input.

        Files of a folder that the patterns ``exclude`` match are left out. Raises ValueError and OSError.
        An account in its address is no part of the input: a new password makes no other release.
        """
        if source["kind"] == "folder":
            files = SourceFiles(Path(source["path"]), exclude, self.inventories)
            members = _members(files, "src")
            self.warnings += files.warnings()
            self.left_out |= {name: excluding(name, exclude) for name in [*files.excluded, *files.leading_out]}
            self.members += members
            self.inputs["source"] = digest(members)
        elif source["kind"] == "wheel":
            member = Member(os.path.basename(source["path"]), origin=Path(source["path"]))
            self.members.append(member)
            self.inputs["source"] = digest([member])
        else:
            self.inputs["source"] = without_account(source["text"])

    def add_file(self, name: str, content: str | bytes, key: str) -> None:
        """Add a file with its content; ``key`` names it among the inputs."""
        data = content.encode() if isinstance(content, str) else content
        self.members.append(Member(name, content=data))
        self.inputs[key] = hashlib.sha256(data).hexdigest()[:16]

    def add_beside(self, name: str, content: str) -> None:
        """Add a file that is no input of the release: another content makes no other release."""
        self.members.append(Member(name, content=content.encode(), is_public=False))

    def add_package(self, folder: Path) -> None:
        """Add a Python package of the controller that the application can import besides its own."""
        files = SourceFiles(folder, EXCLUDED_FROM_PACKAGES, self.inventories)
        members = _members(files, f"extras/{folder.name}")
        self.warnings += files.warnings()
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


def _members(files: SourceFiles, prefix: str) -> list[Member]:
    found = files.read()
    return [Member(f"{prefix}/{file.name}", origin=file.origin, executable=file.executable) for file in found]
