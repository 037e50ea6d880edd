"""A backup of a MariaDB server on its host: the copy that is made while the server serves, and the way back.

``plugin_utils/backup.py`` decides on the controller which host is copied, and what is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.grove.wsgi.plugins.module_utils.database import client, limits
from ansible_collections.grove.wsgi.plugins.module_utils.database.galera import (
    DATA,
    PACKAGE,
    SOCKET,
    STATE,
    UNIT,
    databases_in,
    status_of,
)
from ansible_collections.grove.wsgi.plugins.module_utils.database.scratch import (
    ACCOUNT,
    OPTIONS_FILE,
    Counts,
    Scratch,
    count_rows,
    give,
)
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host import limits as host_limits
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text, sync_folder
from ansible_collections.grove.wsgi.plugins.module_utils.host.peers import series

PROGRAM = "mariadb-backup"
ARCHIVE = "mariadb.tar.gz"
RESTORING, RESTORED = ".grove-restore", ".grove-restored"
"""Folders in the data folder: of data that are on their way back, and of a restore after which the server has yet to
start. No database may have such a name."""
VERIFIED, PLACING = "verified", "placing"
"""Files in these folders that hold the id of the backup: its data are whole, and then, they move to their place."""
STAYS = re.compile(r"\.grove-restored?|lost\+found|debian-.*\.flag")
"""What a restore leaves in the data folder."""
CACHE = re.compile(r"galera\.cache|gcache\.page\..*")
LEFT_OUT = re.compile(r"(xtrabackup|mariadb_backup)_.*|ib_buffer_pool|multi-master\.info")
"""What a copy has besides the data."""
CLIENTS = (
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER NOT IN ('system user', 'event_scheduler', 'root')"
)
CHUNK = 1024**2


class BackupError(OperatorError):
    """A backup cannot be made or put back."""


class Control(Protocol):
    """How the server of this host is stopped and started."""

    def stop(self) -> None:
        """Stop the server, and let nothing start it. Raises BackupError."""

    def start(self) -> None:
        """Allow the server to start, and start it. Raises BackupError."""


class Service:
    """The server as Debian's service, with systemd or without."""

    def __init__(self) -> None:
        self._systemd = Path("/run/systemd/system").is_dir()

    def stop(self) -> None:
        """Stop the server. With systemd, its unit is masked: it does not start with the host, either."""
        if self._systemd:
            _run("systemctl", "mask", "--quiet", UNIT)
            _run("systemctl", "stop", UNIT)
        else:
            _run("service", UNIT, "stop")

    def start(self) -> None:
        """Start the server, which may start with the host again."""
        if self._systemd:
            _run("systemctl", "unmask", "--quiet", UNIT)
            _run("systemctl", "reset-failed", UNIT)
            _run("systemctl", "start", UNIT)
        else:
            _run("service", UNIT, "start")


@dataclass(frozen=True)
class Server:
    """The server of this host.

    ``staging``: the folder for a backup on its way. ``options``: its options file, if it is not the distribution's.
    """

    staging: Path
    data: Path = DATA
    socket: str = SOCKET
    options: Path | None = None

    @property
    def restoring(self) -> Path:
        """The folder for data on their way back, on the file system of the data folder."""
        return self.data / RESTORING

    def read(self) -> dict[str, Any]:
        """Return what the controller needs for its decision. Changes nothing. Raises ClientError.

        ``interrupted``: the backup whose restore has been interrupted after its data were whole. ``placing``: whether
        its data, or a part of them, have taken the place of the server's, which nothing has started since.
        """
        text = client.answer("SHOW GLOBAL STATUS LIKE 'wsrep%'", self.socket)
        status = status_of(text or "")
        answers = text is not None
        return {
            "series": series(PACKAGE),
            "answers": answers,
            "cluster": status.status,
            "member_state": status.state,
            "clients": int(client.rows(CLIENTS, self.socket)[0][0]) if answers else 0,
            "databases": list(databases_in(self.data)),
            "saved": (self.data / STATE).exists(),
            "interrupted": self._marker(),
            "placing": self._placing(),
            "data_bytes": used(self.data),
            "data_free": free(self.data),
            "staging": str(self.staging),
            "staging_free": free(self.staging),
            "same_disk": _device(self.data) == _device(self.staging),
        }

    def make(self, owner: int) -> dict[str, Any]:
        """Copy the data while the server serves, and pack the copy; return what the manifest says of it.

        owner: the number of the account that fetches the archive. The copy is prepared, and a server has read it and
        counted its rows. Raises BackupError, ScratchError and ClientError.
        """
        with self._locked():
            self._clean()
            try:
                return self._make(owner)
            except BaseException:
                # A copy may have filled the disk.
                self._clean()
                raise

    def _make(self, owner: int) -> dict[str, Any]:
        work = self._folder("copy")
        copy = work / "data"
        options = [f"--defaults-file={self.options}"] if self.options else []
        program = ["nice", "-n", "19", "setpriv", "--pdeathsig", "TERM", "--", PROGRAM, *options]
        files = f"--open-files-limit={limits.OPEN_FILES}"
        _run(*program, "--backup", f"--target-dir={copy}", "--user=root", f"--socket={self.socket}", files)
        _run(*program, "--prepare", f"--target-dir={copy}", files)
        give(work)
        counts = Scratch(copy, work).count()
        archive = work / ARCHIVE
        pack(copy, archive)
        shutil.rmtree(copy)
        # The account that fetches the archive reads nothing else of the folder.
        work.chmod(0o711)
        os.chown(archive, owner, -1)
        return {
            "archive": str(archive),
            "bytes": archive.stat().st_size,
            "sha256": sha256(archive),
            "series": series(PACKAGE),
            "version": client.rows("SELECT VERSION()", self.socket)[0][0],
            "databases": counts,
        }

    def clean(self) -> None:
        """Remove what a backup has left on the host."""
        with self._locked():
            self._clean()

    def receive(self, owner: int) -> str:
        """Make a folder of the account that sends the archive; return the archive's path in it."""
        with self._locked():
            self._clean()
            folder = self._folder("restore")
            os.chown(folder, owner, -1)
            return str(folder / ARCHIVE)

    def restore(self, control: Control, backup: str, archive: Path | None, digest: str, expected: Counts) -> None:
        """Put the data of a backup in the place of those of a server that has none.

        backup: its id. archive: on this host; None where an interrupted restore of it goes on. digest: of the archive.
        expected: the rows of the manifest. Before the data are whole, the server keeps its own, and while they move,
        nothing starts it. Raises BackupError, ScratchError and ClientError.
        """
        with self._locked():
            if not (self.data / RESTORED).exists() or self._marker() != backup:
                self._fill(control, backup, archive, digest, expected)
            control.start()
            self._wait()
            shutil.rmtree(self.data / RESTORED)
            found = count_rows(self.socket)
            if found != expected:
                raise BackupError(f"the restored server has other rows than the backup: {differences(expected, found)}")
            self._clean()

    def has_data_of(self, backup: str) -> bool:
        """Return whether an interrupted restore of this backup goes on without its archive."""
        return self._marker() == backup

    def _fill(self, control: Control, backup: str, archive: Path | None, digest: str, expected: Counts) -> None:
        """Unpack and check the data, and move them to their place, from wherever an interrupted run has stopped."""
        found = databases_in(self.data)
        if found and not self._placing():
            raise BackupError(
                f"{self.data} has databases ({', '.join(found)}), and nothing was changed; a backup is restored to a"
                " host without any"
            )
        if not self.data.exists():
            # An operator has moved the former one away.
            self.data.mkdir()
            shutil.chown(self.data, ACCOUNT, ACCOUNT)
        if self._marker() != backup:
            if archive is None:
                raise BackupError(f"the archive of the backup {backup} is not on the host; run again")
            if self._placing():
                # Data of another backup, which have served nobody.
                control.stop()
                self._remove_data()
            self._unpack(backup, archive, digest, expected)
        control.stop()
        if not self._placing():
            self._remove_data()
            replace_text(self.restoring / PLACING, backup, 0o600)
        self._place()

    def _unpack(self, backup: str, archive: Path, digest: str, expected: Counts) -> None:
        """Unpack the data beside those of the server, and let a server of their own read them."""
        if sha256(archive) != digest:
            raise BackupError("the archive is not as it was sent; look at the host's disk and network, and run again")
        shutil.rmtree(self.restoring, ignore_errors=True)
        copy = self.restoring / "data"
        copy.mkdir(parents=True)
        try:
            unpack(archive, copy)
            archive.unlink()
            give(self.restoring)
            counts = Scratch(copy, self.restoring).count()
            if counts != expected:
                late = differences(expected, counts)
                raise BackupError(f"the archive has other rows than the manifest, and nothing was changed: {late}")
            (copy / OPTIONS_FILE).unlink(missing_ok=True)
            sync_tree(copy)
        except BaseException:
            shutil.rmtree(self.restoring, ignore_errors=True)
            raise
        replace_text(self.restoring / VERIFIED, backup, 0o600)

    def _place(self) -> None:
        for one in sorted((self.restoring / "data").iterdir()):
            one.rename(self.data / one.name)
        sync_folder(self.data)
        shutil.rmtree(self.data / RESTORED, ignore_errors=True)
        self.restoring.rename(self.data / RESTORED)
        sync_folder(self.data)

    def _remove_data(self) -> None:
        for one in self.data.iterdir():
            if not STAYS.fullmatch(one.name):
                shutil.rmtree(one) if one.is_dir() and not one.is_symlink() else one.unlink()
        sync_folder(self.data)

    def _wait(self) -> None:
        deadline = time.monotonic() + host_limits.SETTLE_SECONDS
        while client.answer("SELECT 1", self.socket) is None:
            if time.monotonic() > deadline:
                raise BackupError(f"the restored server does not answer; journalctl -u {UNIT} says why")
            time.sleep(host_limits.POLL_SECONDS)

    def _placing(self) -> bool:
        return (self.restoring / PLACING).exists()

    def _marker(self) -> str:
        """Return the id of the backup whose data an interrupted restore has checked; empty where there is none."""
        for name in (RESTORING, RESTORED):
            with contextlib.suppress(FileNotFoundError):
                return (self.data / name / VERIFIED).read_text(encoding="utf-8")
        return ""

    def _folder(self, name: str) -> Path:
        folder = self.staging / name
        folder.mkdir(mode=0o700)
        return folder

    def _clean(self) -> None:
        for name in ("copy", "restore"):
            shutil.rmtree(self.staging / name, ignore_errors=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other runs away. Raises BackupError where one is at work."""
        self.staging.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.staging.chmod(0o711)
        with (self.staging / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise BackupError(
                    "a backup or a restore is at work on this host, or one that was interrupted has not ended yet; run"
                    " again in a minute"
                ) from None
            yield


def check_series(expected: str) -> None:
    """Raise BackupError where the server that is installed is of another series than a backup."""
    if (found := series(PACKAGE)) != expected:
        raise BackupError(
            f"MariaDB {found} is installed, and the backup is of {expected}; it needs a host with this series."
            " Nothing was restored"
        )


def pack(folder: Path, archive: Path) -> None:
    """Pack a data folder, and write the archive to the disk. It belongs to root alone."""
    handle = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "wb") as stream:
        with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as packed:
            for path in sorted(folder.iterdir()):
                if not LEFT_OUT.fullmatch(path.name):
                    packed.add(path, path.name)
        stream.flush()
        os.fsync(stream.fileno())


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a data folder. Raises BackupError for a member that is neither a file nor a folder inside of it."""
    trusted: dict[str, Any] = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for member in packed:
                parts = Path(member.name).parts
                if not (member.isfile() or member.isdir()) or ".." in parts or Path(member.name).is_absolute():
                    raise BackupError(f"the archive has {member.name}, which does not belong there")
                packed.extract(member, folder, **trusted)
    except (tarfile.TarError, EOFError) as error:
        raise BackupError(f"the archive cannot be read: {error}") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def differences(expected: Counts, found: Counts) -> str:
    """Return the tables whose numbers of rows differ, in words."""
    numbers = {(database, table) for counts in (expected, found) for database in counts for table in counts[database]}
    late = [
        f"{database}.{table} {found.get(database, {}).get(table, 'missing')} instead of"
        f" {expected.get(database, {}).get(table, 'none')}"
        for database, table in sorted(numbers)
        if found.get(database, {}).get(table) != expected.get(database, {}).get(table)
    ]
    late += [f"database {name}" for name in sorted(set(expected) ^ set(found))]
    return ", ".join(late[:10]) + (f" and {len(late) - 10} more" if len(late) > 10 else "")


def used(folder: Path) -> int:
    """Return the bytes that the files of a data folder take on the disk. Galera's cache is not copied, nor counted."""
    total = 0
    for path in folder.rglob("*"):
        if CACHE.fullmatch(path.name):
            continue
        with contextlib.suppress(FileNotFoundError):
            total += path.lstat().st_blocks * 512
    return total


def free(path: Path) -> int:
    """Return the bytes that are free on the file system of a path, or of where the path will be made."""
    return shutil.disk_usage(_existing(path)).free


def sync_tree(folder: Path) -> None:
    """Write all files below a folder to the disk."""
    for path in (folder, *folder.rglob("*")):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _device(path: Path) -> int:
    return _existing(path).stat().st_dev


def _run(*command: str) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=limits.COPY_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BackupError(f"{' '.join(command)} did not end within {limits.COPY_SECONDS:.0f} s") from None
    if done.returncode:
        end = "\n".join(done.stdout.strip().splitlines()[-host_limits.LOG_LINES :])
        raise BackupError(f"{' '.join(command)} failed with status {done.returncode}:\n{end}")
