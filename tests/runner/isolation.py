"""Where unit tests run: a process without privileges, compilers and servers, whose network is loopback alone."""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import tempfile
from pathlib import Path

PROGRAMS = (
    *("apache2", "apache2ctl", "apachectl", "apxs", "httpd"),
    *("c++", "cc", "clang", "g++", "gcc", "make"),
    *("apt-get", "docker", "podman", "uv"),
)
"""Programs that a unit test must not start."""
ACCOUNT = 1
"""An account of every system (daemon, bin). Not nobody: the files and processes of all others look like nobody's."""
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
MS_KEPT = 0x2 | 0x4 | 0x8
"""The flags nosuid, nodev and noexec, which a remount must not remove. They have the same values in statvfs."""
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
CAPABILITY_VERSION_3 = 0x20080522

LIBC = ctypes.CDLL(None, use_errno=True)


def enter(home: Path) -> None:
    """Take privileges, network and programs from this process, which must have one thread.

    Afterwards it can read what its account can read. It can write below the folder for temporary files, where ``home``
    becomes its home, and on file systems other than the root file system.

    Raises OSError, with nothing changed, where the kernel allows no namespaces.
    """
    home.mkdir(exist_ok=True)
    user, group = os.getuid(), os.getgid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{ACCOUNT} {user} 1")
    _write("/proc/self/gid_map", f"{ACCOUNT} {group} 1")
    _call("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    for path in _paths():
        _call("mount", b"/dev/null", os.fsencode(path), None, MS_BIND, None)
    # Files of root still belong to this process where root started it.
    temporary = os.fsencode(os.path.realpath(tempfile.gettempdir()))
    _call("mount", temporary, temporary, None, MS_BIND | MS_REC, None)
    flags = os.statvfs("/").f_flag & MS_KEPT
    _call("mount", None, b"/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, None)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
    os.environ["HOME"] = str(home)
    # Ansible takes the home of the account from /etc/passwd.
    os.environ["ANSIBLE_REMOTE_TMP"] = str(home / ".ansible" / "tmp")
    # Until the next exec, this process has every capability within the new namespaces.
    _call("capset", struct.pack("Ii", CAPABILITY_VERSION_3, 0), bytes(24))


def _paths() -> set[str]:
    folders = [*os.get_exec_path(), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    paths = (shutil.which(program, path=folder) for program in PROGRAMS for folder in folders)
    return {os.path.realpath(path) for path in paths if path}


def _call(name: str, *arguments: int | bytes | None) -> None:
    if getattr(LIBC, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
