"""Folders below an application's state that Apache serves itself, such as uploaded media.

The account owns them. Access control lists (POSIX ACLs, see acl(5)) let Apache's account pass the folders above and
read what is in the folder, also what the application makes there later. They let no other account do so.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
import struct
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import FolderError, make_account_folder

SERVER_ACCOUNTS = ("www-data", "apache")
"""Apache's own account on Debian and on Red Hat."""
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
VERSION = 2
# Tags and permissions of linux/posix_acl.h and linux/posix_acl_xattr.h.
USER_OWNER, USER, GROUP_OWNER, MASK, OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
READ, WRITE, PASS = 4, 2, 1
NOBODY = 0xFFFFFFFF
MODE = 0o750


def server_account() -> pwd.struct_passwd | None:
    """Return Apache's own account; None before Apache is installed."""
    for name in SERVER_ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def serve_folder(state: Path, path: Path, account: pwd.struct_passwd | None, *, dry: bool = False) -> bool:
    """Make ``path``, which is below ``state``, a folder of the account that Apache serves; return whether that changed.

    Raises FolderError where the file system keeps no access control lists, and OSError.
    """
    server = server_account()
    below = path.relative_to(state).parts
    folders = [state.joinpath(*below[:count]) for count in range(len(below) + 1)]
    changes = [make_account_folder(folder, account, MODE, dry=dry) for folder in folders[1:]]
    if account is None or server is None:
        return True
    if dry and not path.is_dir():
        return True
    passing = acl(server.pw_uid, owner=READ | WRITE | PASS, group=READ | PASS, server=PASS)
    reading = acl(server.pw_uid, owner=READ | WRITE | PASS, group=READ | PASS, server=READ | PASS)
    try:
        changes += [_set(folder, {ACCESS: passing}, dry=dry) for folder in folders[:-1]]
        is_new = _set(path, {ACCESS: reading, DEFAULT: reading}, dry=dry)
        if is_new and not dry:
            _open_entries(path, server.pw_uid, reading)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EOPNOTSUPP):
            raise FolderError(
                f"the file system of {path} keeps no access control lists, which let Apache read the folder;"
                " mount it with the option acl, or let the application serve these files"
            ) from error
        raise
    return any(changes) or is_new


def acl(uid: int, *, owner: int, group: int, server: int) -> bytes:
    """Return an access control list as the kernel keeps it: what owner, group and the user ``uid`` (``server``) may."""
    entries = (
        (USER_OWNER, owner, NOBODY),
        (USER, server, uid),
        (GROUP_OWNER, group, NOBODY),
        (MASK, group | server, NOBODY),
        (OTHERS, 0, NOBODY),
    )
    return struct.pack("<I", VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _set(folder: Path, lists: dict[str, bytes], *, dry: bool) -> bool:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _set_lists(handle, lists, dry=dry)
    finally:
        os.close(handle)


def _set_lists(handle: int, lists: dict[str, bytes], *, dry: bool = False) -> bool:
    changed = False
    for name, value in lists.items():
        if _list_of(handle, name) != value:
            changed = True
            if not dry:
                os.setxattr(handle, name, value)
    return changed


def _list_of(handle: int, name: str) -> bytes | None:
    try:
        return os.getxattr(handle, name)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        raise


def _open_entries(path: Path, server: int, folder_list: bytes) -> None:
    """Let Apache read what is in the folder already. The account may change it meanwhile: links are not followed."""
    for _, folders, files, parent in os.fwalk(path, follow_symlinks=False):
        for name in (*folders, *files):
            try:
                handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
            except OSError:
                # A link, or gone by now.
                continue
            try:
                status = os.fstat(handle)
                if stat.S_ISDIR(status.st_mode):
                    _set_lists(handle, {ACCESS: folder_list, DEFAULT: folder_list})
                elif stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                    owner, group = status.st_mode >> 6 & 7, status.st_mode >> 3 & 7
                    _set_lists(handle, {ACCESS: acl(server, owner=owner, group=group, server=READ)})
            finally:
                os.close(handle)
