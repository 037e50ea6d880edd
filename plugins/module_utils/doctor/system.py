"""The system of a host: distribution, systemd, Python, rights of the kernel, clock and addresses."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.doctor.commands import output
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import Finding, ok, problem, some, warning
from ansible_collections.grove.wsgi.plugins.module_utils.host import info

TESTED = {("debian", "12"), ("debian", "13")}
FAMILIES = {"debian", "ubuntu", "rhel", "fedora", "centos"}
STA_UNSYNC = 0x40
"""The bit of the kernel's clock status that says that nothing keeps the time (linux/timex.h)."""
TIMEX_BYTES = 208
ENFORCED = re.compile(r"(^|/)(apache2|httpd)\b.* \((enforce|kill)\)$")
"""A line of the kernel's list of profiles: NAME (MODE). Only these modes refuse anything (apparmor_parser(8))."""
OWN_UNITS = re.compile(r"(grove-|apache2|httpd)")


def os_release(path: str = "/etc/os-release") -> dict[str, str]:
    """Return the values of os-release(5)."""
    try:
        text = Path(path).read_text()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value.strip("\"'") for key, equals, value in pairs if equals}


def distribution(values: Mapping[str, str]) -> Finding:
    """Examine the distribution."""
    name = values.get("PRETTY_NAME") or values.get("ID") or "an unknown system"
    tested = "Debian 12 or 13, on which Grove is tested"
    if (values.get("ID"), values.get("VERSION_ID")) in TESTED:
        return ok("system", name)
    if FAMILIES & {values.get("ID", ""), *values.get("ID_LIKE", "").split()}:
        return warning("system", f"{name}, on which Grove is not tested", tested, "see COMPATIBILITY.md")
    return problem("system", name, tested, "use a host with one of these")


def system() -> Iterator[Finding]:
    """Examine what does not depend on records."""
    yield distribution(os_release())
    yield ok("Python", f"{platform.python_version()}, {os.path.realpath('/proc/self/exe')}")
    yield from _systemd()
    yield from _temporary()
    yield _umask()
    yield from _rights()
    yield from _labels()
    yield _clock()
    yield from _addresses()


def _systemd() -> Iterator[Finding]:
    if not os.path.isdir("/run/systemd/system"):
        yield warning(
            "systemd",
            "systemd does not run this host",
            "systemd; without it, timers are entries of cron, and agents are refused",
            "none is needed for apps without agents",
        )
        return
    version = re.search(r"systemd (\d+)", output("systemctl", "--version") or "")
    yield ok("systemd", version.group(1) if version else "it runs")
    listed = output("systemctl", "list-units", "--failed", "--plain", "--no-legend") or ""
    failed = [line.split()[0] for line in listed.splitlines() if line.strip()]
    own = [name for name in failed if OWN_UNITS.match(name)]
    if own:
        yield problem("failed units", some(own), "no failed unit of an app or of Apache", f"systemctl status {own[0]}")
    others = [name for name in failed if name not in own]
    if others:
        look = f"systemctl status {others[0]}; when it is mended: systemctl reset-failed"
        yield warning("failed units", some(others), "no failed unit", look)
    if not failed:
        yield ok("failed units", "none")


def _temporary(path: str = "/tmp") -> Iterator[Finding]:
    try:
        mode = os.stat(path).st_mode
        options = info.mount_options(path)
    except OSError as error:
        yield problem(path, str(error.strerror), f"{path} is a folder", f"install -d -m 1777 {path}")
        return
    if not stat.S_ISDIR(mode) or stat.S_IMODE(mode) != 0o1777:
        yield problem(path, f"its mode is {stat.S_IMODE(mode):o}", "1777", f"chmod 1777 {path}")
    elif "read-only" in options:
        yield problem(path, "it is mounted read-only", "mounted for writing", f"mount -o remount,rw {path}")
    elif "noexec" in options:
        remedy = f"mount -o remount,exec {path}, if an app's build fails with Permission denied"
        yield warning(path, "it is mounted with noexec", "programs that a build makes there can run", remedy)
    else:
        yield ok(path, "every account may write to it")


def _umask() -> Finding:
    current = os.umask(0)
    os.umask(current)
    return ok("umask", f"{current:04o}; Grove sets its own")


def _rights() -> Iterator[Finding]:
    """Examine what the kernel and a container around the host allow. The check of records decides what needs it."""
    missing = []
    if not info.can_make_mount_namespaces():
        missing.append("views of the files for units (no CAP_SYS_ADMIN)")
    if not info.can_filter_calls_of_accounts():
        missing.append("filters of system calls")
    if missing:
        yield warning(
            "kernel",
            f"{platform.release()}, without {' and without '.join(missing)}",
            "a machine, or a container with these rights",
            "none is needed: Grove leaves these parts of the sandbox out (docs/security.md)",
        )
    else:
        yield ok("kernel", f"{platform.release()}, {platform.machine()}")
    tasks = info.tasks()
    if tasks:
        yield ok("tasks", f"at most {tasks} processes and threads")


def _labels(root: str = "/sys") -> Iterator[Finding]:
    try:
        enforcing = Path(root, "fs/selinux/enforce").read_text().strip() == "1"
        yield ok("SELinux", "enforcing; Grove labels its files" if enforcing else "it only records")
    except OSError:
        pass
    try:
        profiles = Path(root, "kernel/security/apparmor/profiles").read_text()
    except OSError:
        return
    apache = [line for line in profiles.splitlines() if ENFORCED.search(line)]
    if apache:
        # A part of a profile, after //, has the mode of the whole profile.
        remedy = f"aa-complain {apache[0].rpartition(' (')[0].partition('//')[0]}, or let the profile read /srv/wsgi"
        yield warning("AppArmor", f"the profile {apache[0]}", "no profile that keeps Apache from the apps", remedy)
    else:
        yield ok("AppArmor", "no profile of Apache")


def is_synchronized() -> bool | None:
    """Return whether a program keeps the host's clock; None if the kernel does not tell. The clock is only read."""
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    # struct timex: modes, offset, freq, maxerror, esterror, status. Longs are aligned to their size.
    size = ctypes.sizeof(ctypes.c_long)
    status = ctypes.c_int.from_buffer(buffer, 5 * size).value
    return not status & STA_UNSYNC


def _clock() -> Finding:
    state = is_synchronized()
    if state is None:
        return ok("time", "the kernel does not tell whether a program keeps the clock")
    if state:
        return ok("time", "a program keeps the clock")
    remedy = "apt-get install systemd-timesyncd; in a container, on the machine that runs it"
    return warning("time", "nothing keeps the clock", "a program such as systemd-timesyncd or chrony", remedy)


def _addresses() -> Iterator[Finding]:
    versions = [text for text, own in (("IPv4", "127.0.0.1"), ("IPv6", "::1")) if info.own_addresses(own)]
    if not versions:
        yield problem("addresses", "neither 127.0.0.1 nor ::1 is there", "the loopback address", "ip link set lo up")
    else:
        without = "" if len(versions) > 1 else f"; a record cannot listen on {'[::]' if 'IPv4' in versions else 'IPv4'}"
        yield ok("addresses", " and ".join(versions) + without)
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        remedy = f"echo 127.0.1.1 {name} >>/etc/hosts"
        yield warning("host name", f"{name}, which stands for no address", "a name that the host itself knows", remedy)
    else:
        yield ok("host name", name)
