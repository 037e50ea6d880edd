"""Errors of the operating system as sentences: what could not be done, why, and what to do about it."""

from __future__ import annotations

import errno
import os

FULL = "is full; make room on it (df -h), or add inodes (df -i)"
REMEDIES = {
    errno.EROFS: "is mounted read-only; mount it for writing (findmnt shows it), then run again",
    errno.ENOSPC: FULL,
    errno.EDQUOT: "lets its account write no more, since a quota is used up; raise the quota, or remove files",
    errno.EIO: "cannot be read or written; the kernel's log names the disk (dmesg)",
    errno.ESTALE: "is no longer there on its file server; mount it again",
}
"""By the error's number: what is the matter with the file system that holds the path."""
REASONS = {
    errno.ENOENT: "is not there",
    errno.ENOTDIR: "has a file where a folder has to be; move that file away",
    errno.EISDIR: "is a folder where a file has to be; move it away",
    errno.EEXIST: "is there already; move it away",
    errno.ENOTEMPTY: "is a folder with files in it; move them away",
    errno.ELOOP: "leads through symbolic links in a circle; remove one of them",
    errno.ENAMETOOLONG: "is longer than the file system allows (255 bytes for a name); choose a shorter folder",
    errno.EFBIG: "may not become so large; look at the limits of the service and of the file system (ulimit -f)",
    errno.EXDEV: "is on another file system than the place that it is moved to; both have to be on one",
    errno.EBUSY: "is in use as a mount; unmount it, or choose another folder",
    errno.ETXTBSY: "is a program that is running; run again when it has ended",
    errno.ENOEXEC: "is no program for this machine",
    errno.EMLINK: "has as many hard links as the file system allows",
    errno.ENOTSUP: "is on a file system that cannot do this; choose another one",
    errno.EMFILE: "cannot be opened: this process has too many open files (ulimit -n)",
    errno.ENFILE: "cannot be opened: the host has too many open files (fs.file-max)",
    errno.ENOMEM: "cannot be opened: the host has too little memory",
    errno.EAGAIN: "cannot be used now: the host has too many processes or open locks (ulimit -u)",
}
"""By the error's number: what is the matter with the path itself."""
NO_RIGHTS = (errno.EACCES, errno.EPERM)


def explain(error: BaseException) -> str:
    """Return a sentence for an error of the operating system; other errors in their own words.

    The sentence names the path where the error has one.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return str(error)
    path = _text(error.filename)
    if error.errno in REMEDIES:
        holder = f"the file system that holds {path}" if path else "a file system of the host"
        return f"{holder} {REMEDIES[error.errno]}"
    if error.errno in NO_RIGHTS and path:
        return f"{path} {_refusal(path)}"
    if error.errno in REASONS and path:
        return f"{path} {REASONS[error.errno]}"
    reason = os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    return f"{path}: {reason}" if path else reason


def _refusal(path: str) -> str:
    """Return why a path, which may be a program, is refused to this process."""
    try:
        flags = os.statvfs(path).f_flag
    except OSError:
        flags = 0
    if flags & os.ST_NOEXEC and os.path.isfile(path):
        return "cannot be started: its file system is mounted with noexec; mount it without, or choose another folder"
    return (
        f"is refused to the account with the number {os.geteuid()}; look at its owner, its attributes (lsattr), its"
        " file server (root_squash) and the host's SELinux or AppArmor"
    )


def _text(filename: object) -> str:
    if isinstance(filename, bytes):
        return os.fsdecode(filename)
    return str(filename) if isinstance(filename, (str, os.PathLike)) else ""
