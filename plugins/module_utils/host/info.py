"""What the records of a host are checked against: its Pythons, accounts, addresses, owners of folders and keys."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import resource
import socket
import ssl
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ASK_PYTHON = (
    "import json, platform, sys, sysconfig; "
    "print(json.dumps([platform.python_version(), sysconfig.get_config_var('SOABI'), sys.base_prefix,"
    " platform.libc_ver()[1]]))"
)

PYTHON_SECONDS = 30
"""Seconds in which an interpreter answers, also on a busy host."""
MOUNT_FLAGS = {"read-only": os.ST_RDONLY, "noexec": os.ST_NOEXEC}
FIRST_TO_KEEP_RIGHTS = 255
"""The version of systemd that sets up filters of system calls with CAP_SYS_ADMIN after it has changed the account."""
CAP_SYS_ADMIN = 21
"""The number of the capability, as in linux/capability.h."""
TIMERS_AT_BOOT = "/etc/systemd/system/timers.target.wants"
UNITS = ("/etc/systemd/system", "/etc/cron.d")
EVERY_IPV6, LOOPBACK_IPV6 = "::", "::1"


# Where version 2 and version 1 of control groups limit what a container may take, megabytes and tasks.
MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
TASK_LIMITS = ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max")


def memory(meminfo: str = "/proc/meminfo", limits: Iterable[str] = MEMORY_LIMITS) -> int:
    """Return the megabytes of memory that this host may use."""
    total = next(line for line in Path(meminfo).read_text().splitlines() if line.startswith("MemTotal:"))
    return min([int(total.split()[1]) // 1024, *(limit >> 20 for limit in _limits(limits))])


def tasks(limits: Iterable[str] = TASK_LIMITS) -> int:
    """Return how many processes and threads an account of this host may have; 0 where nothing limits them.

    A container inherits the limit of an account (RLIMIT_NPROC) from the program that starts it.
    """
    own = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    found = _limits(limits) + ([own] if own != resource.RLIM_INFINITY else [])
    return min(found, default=0)


def _limits(paths: Iterable[str]) -> list[int]:
    texts = [path.read_text().strip() for path in map(Path, paths) if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]


def python(path: str) -> dict[str, str] | None:
    """Return version, ABI tag, prefix and glibc's version of an interpreter; None if it is no Python that runs."""
    command = [path, "-I", "-c", ASK_PYTHON]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=PYTHON_SECONDS
        )
        version, abi, prefix, glibc = json.loads(done.stdout)
    except (OSError, ValueError, TypeError, subprocess.SubprocessError):
        return None
    return {"version": version, "abi": abi, "prefix": prefix, "glibc": glibc}


def mount_options(path: str) -> list[str]:
    """Return which of ``read-only`` and ``noexec`` the file system has that holds a path, or is going to hold it."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    flags = os.statvfs(path).f_flag
    return [name for name, flag in MOUNT_FLAGS.items() if flags & flag]


def account(name: str) -> dict[str, Any] | None:
    """Return uid, group, home, shell and comment of an account; None when there is none."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return {
        "uid": entry.pw_uid,
        "group": _group(entry.pw_gid),
        "home": entry.pw_dir,
        "shell": entry.pw_shell,
        "comment": entry.pw_gecos,
    }


def _group(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None


def owner(path: str) -> str | None:
    """Return the name (or number) of a path's owner; None when there is nothing."""
    try:
        uid = os.lstat(path).st_uid
    except OSError:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def own_addresses(text: str) -> list[str]:
    """Return the addresses that an IP address or a host name stands for; none unless all of them are this host's.

    Every IPv6 address is none of a host that has not even the one for itself. A socket can be bound to it all the same.
    """
    try:
        found = {(each[0], each[4]) for each in socket.getaddrinfo(text, 0, type=socket.SOCK_STREAM)}
        for family, place in found:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((LOOPBACK_IPV6, *place[1:]) if place[0] == EVERY_IPV6 else place)
    except (OSError, UnicodeError):
        return []
    return sorted(str(place[0]) for _, place in found)


def key_pair(paths: list[str]) -> str:
    """Return why a certificate and a key cannot be used together; empty when they can."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(paths[0], paths[1], password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        return str(error)
    return ""


def ocsp_responder(certificate: str) -> str:
    """Return the URL of the responder that a certificate names; empty where there is none, or no certificate."""
    command = ["openssl", "x509", "-noout", "-ocsp_uri", "-in", certificate]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.partition("\n")[0]


def units() -> list[str]:
    """Return the files by which systemd and cron run commands of applications."""
    return sorted(str(path) for folder in UNITS for path in Path(folder).glob("grove-*"))


def timers() -> list[str]:
    """Return the names of the timers of applications that run, and start with the host; none without systemd."""
    command = ["systemctl", "list-units", "--type=timer", "--state=active", "--plain", "--no-legend", "--", "grove-*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return []
    names = (line.split()[0] for line in done.stdout.splitlines() if line.strip())
    return [name.removesuffix(".timer") for name in names if os.path.lexists(os.path.join(TIMERS_AT_BOOT, name))]


def can_make_mount_namespaces() -> bool:
    """Return whether systemd can give a unit its own view of the files. In a container it may lack that right."""
    match = re.search(r"(?m)^CapEff:\s*([0-9a-f]+)$", Path("/proc/1/status").read_text())
    return match is not None and bool(int(match.group(1), 16) & 1 << CAP_SYS_ADMIN)


def can_filter_calls_of_accounts() -> bool:
    """Return whether systemd can filter the system calls of a unit with an account.

    From version 255 on, it needs CAP_SYS_ADMIN for that, and does not start the unit in a container that lacks it
    (https://github.com/systemd/systemd/issues/34565).
    """
    if can_make_mount_namespaces():
        return True
    try:
        output = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    match = re.match(r"systemd (\d+)", output)
    return match is not None and int(match.group(1)) < FIRST_TO_KEEP_RIGHTS


def has_package_lists() -> bool:
    """Return whether apt knows any package."""
    return any(Path("/var/lib/apt/lists").glob("*_Packages*"))
