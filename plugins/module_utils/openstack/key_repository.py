"""The keys of keystone on a host: what is there, and the order in which files change while keystone reads them.

A repository is a folder with a key in each file, which has a number as its name. keystone makes tokens with the key of
the highest number, and accepts those of all keys. The number 0 is the staged key: the next rotation gives it the
highest number. keystone opens every file of the folder at each request, so an unfinished file never lies in it.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
import pwd
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import sync_folder

FERNET, CREDENTIAL = "fernet-keys", "credential-keys"
REPOSITORIES = (FERNET, CREDENTIAL)
"""The folders of the keys: of tokens, and of what keystone stores in encrypted form."""
STAGED = 0
FILE_MODE, FOLDER_MODE, STATE_MODE = 0o600, 0o700, 0o750
KEY_BYTES = 32
DIGEST_LENGTH = 16
"""Hexadecimal digits of a key's SHA-256: enough to tell keys apart, and of no use to anybody who wants the key."""
UNFINISHED = ".grove-key-"
"""The start of the name of a file, beside the repositories, that becomes a key by its rename."""

Keys = Mapping[int, str]
WRITE, WAIT, REMOVE = "write", "wait", "remove"
WAIT_SECONDS = 1.0
"""keystone lists the folder, and then opens each file. A request that has listed the folder before the new number was
there has to find the key under the number of the staged one. No request takes so long from the list to the last file.
"""


class KeyRepositoryError(OperatorError):
    """Keys cannot be read or written, or are not as they were when the run read them."""


def digest(key: str) -> str:
    """Return what may be shown of a key."""
    return hashlib.sha256(key.encode()).hexdigest()[:DIGEST_LENGTH]


def digests(keys: Keys) -> dict[int, str]:
    """Return what may be shown of keys, by their numbers."""
    return {number: digest(key) for number, key in sorted(keys.items())}


def new_key() -> str:
    """Return a key as keystone-manage makes one."""
    return base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def made(keys: Keys) -> dict[int, str]:
    """Return a whole set: ``keys``, and what is missing of a staged key and another one."""
    complete = dict(keys)
    if not any(number != STAGED for number in complete) and STAGED not in complete:
        complete[1] = new_key()
    complete.setdefault(STAGED, new_key())
    return complete


def is_rotating(keys: Keys) -> bool:
    """Return whether a rotation of the set was interrupted: the staged key has its number, and has no successor yet.

    ``keys`` may be digests, too.
    """
    return bool(keys) and (STAGED not in keys or (max(keys) != STAGED and keys[STAGED] == keys[max(keys)]))


def rotated(keys: Keys, most: int) -> dict[int, str]:
    """Return the set after a rotation, or after the one that was interrupted. most: how many keys stay."""
    after = dict(keys)
    if not is_rotating(keys):
        after[max(keys) + 1] = keys[STAGED]
    after[STAGED] = new_key()
    older = sorted(number for number in after if number != STAGED)
    # The highest number, and the staged key, stay in any case.
    for number in older[: max(0, min(len(after) - most, len(older) - 1))]:
        del after[number]
    return after


def steps(present: Keys, target: Keys) -> list[tuple[str, int]]:
    """Return the writes and removals that lead from one set to the other, in an order that loses no token.

    The keys that make tokens come first: other hosts have had them as staged keys, or have them by now. The staged key
    follows, and the keys that nobody needs any more go last. A fresh host gets the staged key last, so that a set
    without one is known as unfinished.
    """
    made = [(WRITE, number) for number in sorted(target) if number != STAGED and present.get(number) != target[number]]
    if STAGED in target and present.get(STAGED) != target[STAGED]:
        if made and STAGED in present:
            made.append((WAIT, STAGED))
        made.append((WRITE, STAGED))
    return made + [(REMOVE, number) for number in sorted(set(present) - set(target))]


@contextlib.contextmanager
def acting_as(account: pwd.struct_passwd) -> Iterator[None]:
    """Let root work with the rights of an account, which owns the folders and could put links into them.

    Nothing may be imported meanwhile, not even a codec: the account need not be able to read Python's files.
    """
    if os.geteuid() != 0 or account.pw_uid == 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([account.pw_gid])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    except PermissionError as error:
        raise KeyRepositoryError(
            f"{error.filename}: it is refused to the account {account.pw_name}, whose keys are there; look at the"
            " owners and modes of the path, and of the folders above"
        ) from error
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@dataclass(frozen=True)
class State:
    """What a host has. ``keys``: by repository and number. ``open``: folders and files that others may read."""

    keys: Mapping[str, Keys]
    open: tuple[str, ...] = ()

    @property
    def digests(self) -> dict[str, dict[int, str]]:
        """What may be shown of the keys."""
        return {name: digests(keys) for name, keys in self.keys.items()}


class Repositories:
    """The repositories below keystone's folder ``state``. Raises KeyRepositoryError and OSError."""

    def __init__(self, state: Path, account: str) -> None:
        """Take the folder, and the name of the account that owns it."""
        self._state = state
        self._name = account

    @property
    def _account(self) -> pwd.struct_passwd | None:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(self._name)
        return None

    def read(self) -> State:
        """Return the keys of this host; none on a host without the account."""
        account = self._account
        if account is None:
            return State({name: {} for name in REPOSITORIES})
        with acting_as(account):
            return self._read(account)

    def write(self, targets: Mapping[str, Keys], expected: Mapping[str, Mapping[int, str]] | None = None) -> list[str]:
        """Give the repositories in ``targets`` the keys that they are to have; return the paths that changed.

        expected: the digests that the run has read; where the keys are others by now, nothing is written.
        """
        with self._locked() as (account, found):
            for name, numbers in (expected or {}).items():
                if found.digests[name] != dict(numbers):
                    raise KeyRepositoryError(
                        f"{self._state / name}: the keys have changed since this run has read them, so another run is"
                        " at work there; nothing was written. Run again when it has ended"
                    )
            return self._write(targets, account, found)

    def make(self, names: Iterable[str] = REPOSITORIES) -> dict[str, dict[int, str]]:
        """Return the keys of repositories, and make what is missing first."""
        with self._locked() as (account, found):
            targets = {name: made(found.keys[name]) for name in names}
            self._write(targets, account, found)
            return targets

    def rotate(self, expected: Mapping[int, str], most: int) -> dict[int, str]:
        """Rotate the keys of tokens, or complete a rotation; return the keys. See ``write`` and ``rotated``."""
        with self._locked() as (account, found):
            if digests(found.keys[FERNET]) != dict(expected):
                raise KeyRepositoryError(
                    f"{self._state / FERNET}: the keys have changed since this run has read them, so another rotation"
                    " is under way; nothing was written. Run again when it has ended"
                )
            target = rotated(found.keys[FERNET], most)
            self._write({FERNET: target}, account, found)
            return target

    @contextlib.contextmanager
    def _locked(self) -> Iterator[tuple[pwd.struct_passwd, State]]:
        account = self._account
        if account is None:
            raise KeyRepositoryError(f"there is no account {self._name} on the host, so nobody could own its keys")
        if not self._state.exists():
            self._state.mkdir(mode=STATE_MODE, parents=True)
            os.chown(self._state, account.pw_uid, account.pw_gid)
        with acting_as(account):
            handle = os.open(self._state, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield account, self._read(account)
            finally:
                os.close(handle)

    def _read(self, account: pwd.struct_passwd) -> State:
        keys: dict[str, dict[int, str]] = {}
        open_paths = []
        for name in REPOSITORIES:
            folder = self._state / name
            keys[name] = {}
            if not folder.exists():
                continue
            paths = [folder, *sorted(path for path in folder.iterdir() if path.name.isdecimal() and path.is_file())]
            for path in paths:
                status = path.stat()
                if status.st_uid != account.pw_uid:
                    raise KeyRepositoryError(
                        f"{path}: it belongs to the account with the number {status.st_uid}, and keystone reads it as"
                        f" {account.pw_name}; run: chown -R {account.pw_name}: {folder}"
                    )
                mode = FOLDER_MODE if path is folder else FILE_MODE
                if stat.S_IMODE(status.st_mode) != mode:
                    open_paths.append(str(path))
            for path in paths[1:]:
                text = path.read_bytes().decode("ascii", "replace").strip()
                # keystone leaves an empty file out, too.
                if text:
                    keys[name][int(path.name)] = text
        return State(keys, tuple(open_paths))

    def _write(self, targets: Mapping[str, Keys], account: pwd.struct_passwd, found: State) -> list[str]:
        changed = list(found.open)
        for name in found.open:
            os.chmod(name, FOLDER_MODE if name in self._folders else FILE_MODE)
        for rest in self._state.glob(f"{UNFINISHED}*"):
            rest.unlink()
        for name, target in targets.items():
            folder = self._state / name
            for what, number in steps(found.keys[name], target):
                if not folder.exists():
                    folder.mkdir(mode=FOLDER_MODE)
                path = folder / str(number)
                if what == WAIT:
                    time.sleep(WAIT_SECONDS)
                    continue
                if what == WRITE:
                    self._replace(path, target[number])
                else:
                    path.unlink(missing_ok=True)
                    sync_folder(folder)
                changed.append(str(path))
        return changed

    @property
    def _folders(self) -> set[str]:
        return {str(self._state / name) for name in REPOSITORIES}

    def _replace(self, path: Path, key: str) -> None:
        unfinished = self._state / f"{UNFINISHED}{os.getpid()}"
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        try:
            with open(handle, "wb") as stream:
                stream.write(key.encode())
                stream.flush()
                os.fsync(stream.fileno())
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
