"""What a controller needs: Grove's virtualenv, room for downloads, SSH, and an inventory with hosts."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.doctor import limits, room, system
from ansible_collections.grove.wsgi.plugins.module_utils.doctor.finding import Finding, ok, problem, some, warning
from ansible_collections.grove.wsgi.plugins.module_utils.release.packages import installed

REPOSITORY = Path(__file__).resolve().parents[3]
LEAST_PYTHON = (3, 11)
GROUPS = ("wsgi", "database", "message_bus", "cache")
KEYS = "id_*"


def controller(
    hosts: Mapping[str, Iterable[str]], connections: Mapping[str, str], keys: Iterable[str]
) -> list[Finding]:
    """Examine this machine.

    hosts: the hosts of each group of the inventory. connections: how each host is reached. keys: the private keys that
    the inventory names.
    """
    return [
        _python(sys.version_info[:2]),
        *_virtualenv(),
        inventory(hosts),
        *ssh({name for name, kind in connections.items() if kind in ("ssh", "smart", "")}, list(keys)),
        cache(),
        *(finding for finding in [_time()] if finding),
    ]


def _python(version: tuple[int, ...]) -> Finding:
    text = platform.python_version()
    if version < LEAST_PYTHON:
        return problem("Python", text, "Python 3.11 or later", "install one; then ./grove makes a new .venv")
    return ok("Python", text)


def pinned(lock: str) -> dict[str, set[str]]:
    """Return the versions of the packages of a lock, by name. One for several Pythons may have several of a package."""
    versions: dict[str, set[str]] = {}
    for name, version in re.findall(r"(?m)^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", lock):
        versions.setdefault(name, set()).add(version)
    return versions


def differences(expected: Mapping[str, set[str]], actual: Mapping[str, str]) -> list[str]:
    """Return which installed packages have another version than those of a lock.

    A lock for several platforms has packages that this one does not need, so a missing one is no difference.
    """
    return [
        f"{name} {actual[name]} instead of {' or '.join(sorted(versions))}"
        for name, versions in sorted(expected.items())
        if name in actual and actual[name] not in versions
    ]


def _virtualenv() -> Iterator[Finding]:
    remedy = "rm -r .venv, then any ./grove command"
    if sys.prefix == sys.base_prefix:
        yield warning("packages", "Ansible runs in no virtualenv", "the one of ./grove", "start it by ./grove VERB")
        return
    # The virtualenv of the tests has the packages of another lock.
    tests = Path(sys.prefix, "requirements-test.stamp").exists()
    lock = "requirements-test.lock" if tests else "requirements.lock"
    expected = pinned((REPOSITORY / lock).read_text())
    actual = {package.name: package.version for package in installed(Path(sys.prefix))}
    other = differences(expected, actual)
    missing = [name for name in ("ansible-core", "jinja2", "pyyaml") if name not in actual]
    if other or missing:
        text = some([*other, *(f"{name} missing" for name in missing)])
        yield problem("packages", text, f"those of {lock}", remedy)
    else:
        yield ok("packages", f"{len(actual)}, those of {lock}; ansible-core {actual['ansible-core']}")


def inventory(hosts: Mapping[str, Iterable[str]]) -> Finding:
    """Examine the groups of the inventory."""
    used = {name for group in GROUPS for name in hosts.get(group, ())}
    others = sorted(set(hosts.get("all", ())) - used)
    counts = [f"{len(list(hosts[group]))} in {group}" for group in GROUPS if hosts.get(group)]
    if not hosts.get("wsgi"):
        return problem("inventory", "no host in the group wsgi", "hosts that get apps", "see README.md")
    if others:
        actual = f"{', '.join(counts)}; in none of Grove's groups: {some(others)}"
        return warning("inventory", actual, f"each host in one of {', '.join(GROUPS)}", "add them, or leave them out")
    return ok("inventory", f"hosts: {', '.join(counts)}")


def ssh(hosts: Iterable[str], named: list[str], home: Path | None = None) -> Iterator[Finding]:
    """Examine what is needed to log in to hosts by SSH; nothing without such hosts."""
    reached = sorted(hosts)
    if not reached:
        return
    if shutil.which("ssh") is None:
        yield problem("SSH", "no program ssh", "OpenSSH's client", "apt-get install openssh-client")
        return
    missing = [path for path in named if not os.access(os.path.expanduser(path), os.R_OK)]
    if missing:
        actual = f"{some(missing)} cannot be read"
        yield problem("SSH", actual, "the key that the inventory names", f"ls -l {missing[0]}")
        return
    keys = [path for path in sorted((home or Path.home()).joinpath(".ssh").glob(KEYS)) if path.suffix != ".pub"]
    agent = agent_answers(os.environ.get("SSH_AUTH_SOCK", ""))
    if not (named or keys or agent):
        remedy = "ssh-keygen, and ssh-copy-id to each host; or ssh-add, or a password with -k"
        yield warning("SSH", "neither an agent nor a key", "a key for the hosts", remedy)
        return
    names = [*named, *(str(path) for path in keys)]
    yield ok("SSH", ", ".join(filter(None, ["an agent answers" if agent else "", some(names)])))


def agent_answers(path: str) -> bool:
    """Return whether an SSH agent listens on a socket."""
    if not path:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(limits.CONNECT_SECONDS)
            probe.connect(path)
    except OSError:
        return False
    return True


def cache() -> Finding:
    """Examine the room for the downloads of ``./grove lock``, and for temporary files."""
    folder = os.environ.get("UV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    status = os.statvfs(room.existing(folder))
    return room.disk(folder, status.f_bavail * status.f_frsize // room.MEGABYTE, None, 0)


def _time() -> Finding | None:
    if system.is_synchronized() is False:
        remedy = "timedatectl set-ntp true; in a container, on its host"
        return warning("time", "nothing keeps the clock", "a program such as systemd-timesyncd or chrony", remedy)
    return None
