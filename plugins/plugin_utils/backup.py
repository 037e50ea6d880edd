"""Backups of an inventory on the controller: which host is copied, what a backup holds, and what is refused.

A backup is a folder with ARCHIVE (the data of MariaDB), SECRETS (the controller's secrets, and keystone's keys) and
MANIFEST. It has its name only when it is whole.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import tarfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.database import limits
from ansible_collections.grove.wsgi.plugins.module_utils.database.backup import ARCHIVE, free, sha256
from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import PRIMARY, SYNCED
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text, sync_folder

FORMAT = 1
MANIFEST, SECRETS = "manifest.json", "secrets.tar.gz"
NAME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z")
PARTIAL = ".partial"
"""The end of the name of a folder that is not whole. Before it stands the number of the process that writes it."""
KEYSTONE = "keystone"
"""The name under which SECRETS has the keys of keystone, besides the names of the sources."""
GENERATION, FIRST_GENERATION = "generation", b"1\n"
"""The file with the generation of a control plane's secrets, and what counts where there is none."""
OPENSTACK, TLS, OTHER = "openstack", "tls", "secrets"
"""The sources of secrets: the control plane's, the certificate authority's, and all else beside them."""
SHOWN = 5
"""Names of files that a message shows at most."""
COPIES = 2
"""How often the data are on the host for a moment: as a copy and as the archive of it."""


class BackupFolderError(OperatorError):
    """A backup on the controller cannot be made or used."""


@dataclass(frozen=True)
class Manifest:
    """What is known of a backup.

    ``hosts``: the database hosts. ``host``: the one that was copied. ``data_bytes``: what its data took on the disk.
    ``databases``: rows by database and table. ``files``: ``bytes`` and ``sha256`` of each file by its name.
    ``secrets``: the SHA-256 of each secret by source and path. ``keystone``: the paths of keystone's keys.
    """

    time: str
    host: str
    hosts: Sequence[str]
    series: str
    version: str
    data_bytes: int
    databases: Mapping[str, Mapping[str, int]]
    files: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, Mapping[str, str]]
    keystone: Sequence[str]
    format: int = FORMAT


def choose(hosts: Sequence[str], states: Mapping[str, Mapping[str, Any]], kind: str) -> tuple[str, list[str]]:
    """Return the host that is copied, and what is wrong.

    hosts: the group ``database``. states: what Server.read returned for each host that the run reaches. A server alone
    has to answer. Of a cluster, it is a synced member, the one with the fewest clients, and the last of these.
    """
    if not hosts:
        return "", ["group database: found no host; a backup needs the hosts of the databases"]
    if kind != "mariadb":
        found = f"variable openstack_database_kind: found {kind}; backup and restore know mariadb alone"
        return "", [f"{found}. Use pg_dumpall on the host, as the account postgres"]
    problems = []
    candidates = []
    for host in hosts:
        if host not in states:
            problems.append(f"host {host}: the run does not reach it")
        elif not states[host]["answers"]:
            problems.append(f"host {host}: its MariaDB does not answer root on the socket")
        elif len(hosts) > 1 and (states[host]["cluster"], states[host]["member_state"]) != (PRIMARY, SYNCED):
            found = f"{states[host]['cluster'] or 'none'}, {states[host]['member_state'] or 'none'}"
            problems.append(f"host {host}: it is no synced member of a cluster that serves (found {found})")
        else:
            candidates.append(host)
    if not candidates:
        return "", problems
    host = min(reversed(candidates), key=lambda one: states[one]["clients"])
    # What is wrong with other hosts does not stop a backup.
    return host, room_problems(host, states[host])


def room_problems(host: str, state: Mapping[str, Any]) -> list[str]:
    """Return whether a host has no room for a backup of its data."""
    needed = COPIES * int(state["data_bytes"]) + limits.ROOM_RESERVE
    if state["staging_free"] >= needed:
        return []
    return [
        f"host {host}: {state['staging']} has {megabytes(state['staging_free'])} free, and a copy of its data needs"
        f" {megabytes(needed)}; make room, or set database_backup_staging to a folder on a larger disk"
    ]


def restore_problems(
    hosts: Sequence[str], states: Mapping[str, Mapping[str, Any]], kind: str, manifest: Manifest, name: str
) -> list[str]:
    """Return what stands against restoring a backup, whose id is ``name``, to these database hosts."""
    if not hosts:
        return ["group database: found no host; a restore needs fresh hosts for the databases"]
    if kind != "mariadb":
        return [f"variable openstack_database_kind: found {kind}; the backup is of mariadb"]
    problems = [
        f"host {host}: the run does not reach it, so nothing is known of its data; start it, and run without -l"
        for host in hosts
        if host not in states
    ]
    for host in (host for host in hosts if host in states):
        state = states[host]
        goes_on = host == hosts[0] and (state["placing"] or state["interrupted"] == name)
        if state["databases"] and not goes_on:
            problems.append(
                f"host {host}: it has databases of its own ({', '.join(state['databases'])}); a restore needs hosts"
                " without any. If nobody needs them, stop MariaDB there, and move /var/lib/mysql away"
            )
        elif state["saved"]:
            problems.append(
                f"host {host}: it has been in a cluster; if nobody needs its data, stop MariaDB there, and move"
                " /var/lib/mysql away"
            )
    first = states.get(hosts[0])
    # A host without lists of packages does not know its series yet; the restore looks again.
    if first and first["series"] not in ("", manifest.series):
        problems.append(
            f"host {hosts[0]}: found MariaDB {first['series']}, and the backup is of {manifest.series}; it needs a host"
            " with this series"
        )
    if first and first["interrupted"] != name:
        size = int(manifest.files[ARCHIVE]["bytes"])
        needed = {"data": manifest.data_bytes + limits.ROOM_RESERVE, "staging": size}
        if first["same_disk"]:
            needed["data"] += needed.pop("staging")
        problems += [
            f"host {hosts[0]}: {'the file system of the data' if one == 'data' else first['staging']} has"
            f" {megabytes(first[f'{one}_free'])} free, and the restore needs {megabytes(amount)}"
            for one, amount in needed.items()
            if first[f"{one}_free"] < amount
        ]
    return problems


def megabytes(number: int) -> str:
    """Return a number of bytes as a text."""
    return f"{number / 1024**2:.0f} MB"


def check_room(folder: Path, needed: int) -> None:
    """Raise BackupFolderError where the controller has not as many bytes free as a backup may need."""
    if free(folder) < needed:
        raise BackupFolderError(
            f"{folder} on the controller has {megabytes(free(folder))} free, and the backup may need"
            f" {megabytes(needed)}; make room, or set database_backup_dir to a folder on a larger disk"
        )


def begin(folder: Path, needed: int) -> Path:
    """Make the folder of a new backup, which has a name of a half-written one; return it.

    folder: where the backups are. needed: bytes that have to be free. What interrupted runs have left goes away. Raises
    BackupFolderError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for left in folder.glob(f"*{PARTIAL}"):
        if not _lives(left.name.removesuffix(PARTIAL).rpartition(".")[2]):
            shutil.rmtree(left)
    check_room(folder, needed)
    # The process of the action ends with its task, and its parent with the run.
    partial = folder / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}.{os.getppid()}{PARTIAL}"
    partial.mkdir(mode=0o700)
    return partial


def complete(partial: Path, manifest: Manifest) -> Path:
    """Write the manifest of a backup, and give the folder its name; return it. Raises OSError."""
    for path in partial.iterdir():
        path.chmod(0o600)
    replace_text(partial / MANIFEST, json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n", 0o600)
    folder = partial.with_name(partial.name.partition(".")[0])
    partial.rename(folder)
    sync_folder(folder.parent)
    return folder


def described(path: Path) -> dict[str, Any]:
    """Return what the manifest says of a file."""
    return {"bytes": path.stat().st_size, "sha256": sha256(path)}


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a backup, all of whose files are as they were written. Raises BackupFolderError."""
    if not folder.is_dir():
        raise BackupFolderError(f"backup: found {folder}, which is no folder; name one of those that backup has made")
    if not NAME.fullmatch(folder.name):
        raise BackupFolderError(
            f"backup: found {folder}, and a whole backup has a name such as 2026-01-31T02-00-00Z; one that ends with"
            f" {PARTIAL} was interrupted"
        )
    try:
        values = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise BackupFolderError(f"{folder / MANIFEST}: found format {values['format']}; this Grove knows {FORMAT}")
        manifest = Manifest(**values)
        expected = dict(manifest.files)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupFolderError(f"{folder / MANIFEST} cannot be read, so the backup is not used: {error!r}") from None
    for name in (ARCHIVE, SECRETS):
        path = folder / name
        if name not in expected or not path.is_file():
            raise BackupFolderError(f"{path} is missing, so the backup is not whole; use another one")
        if described(path) != expected[name]:
            raise BackupFolderError(
                f"{path} is damaged: its size or its SHA-256 is not that of {MANIFEST}; use another backup"
            )
    return manifest


def prune(folder: Path, keep: int) -> list[str]:
    """Remove the oldest backups of a folder apart from the newest ``keep``; return their names. 0 keeps all."""
    names = sorted(one.name for one in folder.iterdir() if NAME.fullmatch(one.name) and (one / MANIFEST).exists())
    late = names[:-keep] if keep else []
    for name in late:
        # Without its manifest, what is left of it is no backup.
        (folder / name / MANIFEST).unlink()
        shutil.rmtree(folder / name)
    return late


@dataclass(frozen=True)
class Secrets:
    """The secrets of an inventory: folders by the names of their sources. ``apart``: folders that are no secrets."""

    sources: Mapping[str, Path]
    apart: Collection[Path] = ()

    def files(self, source: str) -> dict[str, Path]:
        """Return the files of a source by their paths in it, without those of the other sources."""
        folder = self.sources[source]
        others = {path.resolve() for name, path in self.sources.items() if name != source}
        others |= {path.resolve() for path in self.apart}
        found: dict[str, Path] = {}
        for current, names, files in os.walk(folder):
            names[:] = sorted(name for name in names if Path(current, name).resolve() not in others)
            found |= {os.path.relpath(Path(current, name), folder): Path(current, name) for name in sorted(files)}
        return found

    def digests(self) -> dict[str, dict[str, str]]:
        """Return the SHA-256 of each secret by source and path."""
        return {
            source: _with_generation(source, {name: sha256(path) for name, path in self.files(source).items()})
            for source in self.sources
        }

    def pack(self, archive: Path, keystone: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
        """Write an archive of all secrets and of keystone's keys; return the digests of the secrets.

        Raises BackupFolderError where a secret has changed meanwhile.
        """
        digests = self.digests()
        handle = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w:gz", dereference=True) as packed:
                for source in self.sources:
                    for name, path in self.files(source).items():
                        packed.add(path, f"{source}/{name}")
                for name, content in keystone.items():
                    member = tarfile.TarInfo(f"{KEYSTONE}/{name}")
                    member.size = len(content)
                    packed.addfile(member, io.BytesIO(content))
            stream.flush()
            os.fsync(stream.fileno())
        if self.digests() != digests:
            raise BackupFolderError("the secrets of the inventory have changed while they were copied; run again")
        return digests

    def problems(self, manifest: Manifest) -> list[str]:
        """Return which secrets differ from those that the data of a backup know.

        Where certificates differ, the inventory's own stay: no data know them.
        """
        own = self.digests()
        problems = []
        for source, digests in manifest.secrets.items():
            if source == TLS:
                continue
            found = own.get(source, {})
            late = [name for name in digests if name in found and found[name] != digests[name]]
            if late:
                names = ", ".join(late[:SHOWN]) + (f" and {len(late) - SHOWN} more" if len(late) > SHOWN else "")
                problems.append(
                    f"{self.sources[source]}: these secrets are not those of the backup: {names}. Its data know the"
                    " backup's. Use the inventory of that time; or, if nobody needs these files, move the folder away,"
                    " and the restore puts the backup's in its place"
                )
        return problems

    def put_back(self, archive: Path, manifest: Manifest, *, dry: bool) -> list[str]:
        """Write the secrets of a backup that the inventory does not have; return their paths.

        Certificates are put back only where none of them differs.
        """
        own = self.digests()
        missing = []
        for source, digests in manifest.secrets.items():
            found = own.get(source, {})
            if source == TLS and any(found[name] != digests[name] for name in digests if name in found):
                continue
            missing += [f"{source}/{name}" for name in digests if name not in found]
        contents = read_secrets(archive)
        written = []
        for member in missing:
            if member not in contents:
                continue
            source, _, name = member.partition("/")
            path = self.sources[source] / name
            written.append(str(path))
            if not dry:
                for folder in reversed(path.parents):
                    folder.mkdir(mode=0o700, exist_ok=True)
                replace_text(path, contents[member].decode("utf-8", "surrogateescape"), 0o600)
        return written


def read_secrets(archive: Path) -> dict[str, bytes]:
    """Return the contents of SECRETS by the names of its members. Raises BackupFolderError."""
    contents = {}
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for member in packed:
                stream = packed.extractfile(member)
                if stream is None or ".." in Path(member.name).parts or member.name.startswith("/"):
                    raise BackupFolderError(f"{archive} has {member.name}, which does not belong there")
                contents[member.name] = stream.read()
    except (tarfile.TarError, EOFError) as error:
        raise BackupFolderError(f"{archive} cannot be read: {error}") from None
    return contents


def _lives(number: str) -> bool:
    """Return whether a process of this number is there."""
    return number.isdigit() and Path("/proc", number).exists()


def _with_generation(source: str, digests: dict[str, str]) -> dict[str, str]:
    if source == OPENSTACK and digests and GENERATION not in digests:
        return {**digests, GENERATION: hashlib.sha256(FIRST_GENERATION).hexdigest()}
    return digests
