"""Start a program in a release: with the release's environment and working folder, as the application's account.

Usage: launch.py ACCOUNT RELEASE [--] COMMAND [ARGUMENT...]
       launch.py ACCOUNT RELEASE --timer NAME
       launch.py ACCOUNT RELEASE --agent NAME

RELEASE is the release's folder. Every program of an application is started here: what an operator runs with ``run``,
hooks, timers, agents and the trial. A daemon process, which Apache starts, calls ``enter``. So all of them have one
environment.

This file uses the standard library of Python 3.9 alone and imports nothing from its package: root starts it with the
host's Python. It becomes the account before it reads anything else from the release.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import re
import resource
import shlex
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

COMMANDS = "commands.json"
"""The file of a release that holds its commands, its environment and its folders."""
UMASK = "0027"
"""What the application writes is for its account and its group. The record's daemon option may say otherwise."""
OPEN_FILES = 8192
"""Open files of a program: what Debian's apache2ctl allows Apache, and so the daemon processes. systemd's own limit for
a service is 1024, and a login has yet another one."""
TEMPORARY = "tmp"
"""The folder below the state folder for temporary files: only the account may enter it."""
HOST_PATH = "/usr/local/bin:/usr/bin:/bin"
LANG = "C.UTF-8"
"""The one locale with UTF-8 that every host has."""
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
BRACE = "lbrace"
"""The placeholder of a brace that is the beginning of no placeholder."""

LEASE = "runtime/grove_runtime/lease.py"
"""The program of a release that runs an agent on one host of several."""
DATABASE_OPTION = "database/connection"
"""The option with the database's URL where a record names a file alone: that of oslo.db."""

PASSED_ON = {
    "command": ("TERM",),
    "timer": (),
    "agent": ("NOTIFY_SOCKET",),
    "lease": ("NOTIFY_SOCKET", "RUNTIME_DIRECTORY"),
}
"""The only variables that a program gets from its caller, by how it was started.

A command may have a terminal. An agent that reports its own readiness (``notify``) needs systemd's socket. The program
that runs an agent on one host of several needs the socket and the unit's folder. No other difference exists between the
environments of a release's programs.
"""


def places(release: str, state: str, logs: str) -> dict[str, str]:
    """Return the folders that placeholders stand for, by the placeholders' names."""
    return {"etc": f"{release}/etc", "release": release, "state": state, "logs": logs}


def expand(text: str, folders: Mapping[str, str]) -> str:
    """Return ``text`` with ``{NAME}`` replaced by a folder, for each name in ``folders``, and ``{lbrace}`` by ``{``.

    Other braces stay.
    """
    return PLACEHOLDER.sub(lambda found: "{" if found[1] == BRACE else folders.get(found[1], found[0]), text)


@dataclass(frozen=True)
class Release:
    """A release as it stands in its folder: its id, and the content of ``commands.json``."""

    folder: str
    identifier: str
    commands: Mapping[str, Any]

    @classmethod
    def read(cls, folder: str) -> Release:
        """Read the release in ``folder``. Raises OSError and ValueError for one that cannot be read."""
        with open(os.path.join(folder, COMMANDS), encoding="utf-8") as stream:
            commands = json.load(stream)
        with open(os.path.join(folder, "RELEASE.json"), encoding="utf-8") as stream:
            described = json.load(stream)
        for name in ("environment", "home", "state", "logs"):
            if name not in commands:
                raise ValueError(f"{folder}/{COMMANDS} has no key {name}")
        return cls(folder, described["id"], commands)

    @property
    def has_extras(self) -> bool:
        # Older releases lack this key.
        return bool(self.commands.get("extras", os.path.isdir(f"{self.folder}/extras")))

    @property
    def umask(self) -> int:
        """The umask of this release's programs."""
        return int(self.commands.get("umask", UMASK), 8)

    def expand(self, text: str) -> str:
        """Return ``text`` with the folders of this release in the place of placeholders."""
        return expand(text, places(self.folder, self.commands["state"], self.commands["logs"]))

    def environment(self, account: pwd.struct_passwd) -> dict[str, str]:
        """Return the whole environment of this release's programs; the record's own variables come last and win."""
        programs = [f"{self.folder}/venv/bin"]
        if os.path.isdir(f"{self.folder}/dependencies/bin"):
            programs.append(f"{self.folder}/dependencies/bin")
        environment = {
            "PATH": ":".join([*programs, HOST_PATH]),
            "LANG": LANG,
            "HOME": self.commands["home"],
            "USER": account.pw_name,
            "LOGNAME": account.pw_name,
            # /tmp is shared with other accounts wherever a program does not run in a unit of its own.
            "TMPDIR": os.path.join(self.commands["state"], TEMPORARY),
            "VIRTUAL_ENV": f"{self.folder}/venv",
            "PYTHONDONTWRITEBYTECODE": "1",
            "GROVE_RELEASE": self.identifier,
        }
        if self.has_extras:
            environment["PYTHONPATH"] = f"{self.folder}/extras"
        own = {name: self.expand(str(value)) for name, value in self.commands["environment"].items()}
        return {**environment, **own}


def enter(folder: str) -> None:
    """Make this process, which is a daemon process or the trial, one of the release in ``folder``.

    ``os.environ`` becomes the release's environment: mod_wsgi has read what it needs before it starts Python. The umask
    and the C library's locale are mod_wsgi's options, which have the same values unless the record's environment says
    otherwise. Raises OSError and ValueError for a release that cannot be read.
    """
    release = Release.read(folder)
    os.environ.clear()
    os.environ.update(release.environment(pwd.getpwuid(os.geteuid())))
    # The C library read TZ and the locale when the process started.
    time.tzset()
    adopt_character_set()
    allow_open_files(keep_more=True)
    os.chdir(folder)
    if release.commands.get("argv"):
        sys.argv[:] = [release.expand(word) for word in release.commands["argv"]]
    if release.has_extras:
        # The release's other programs get the same path through PYTHONPATH.
        sys.path.insert(0, f"{folder}/extras")


def adopt_character_set() -> None:
    """Take the character set of the environment's locale, as Python does when it starts.

    Python takes C.UTF-8 in the place of C, and of a locale that the host does not have (PEP 538).
    """
    import locale

    try:
        chosen = locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        chosen = "C"
    if chosen in ("C", "POSIX"):
        locale.setlocale(locale.LC_CTYPE, LANG)
        if not os.environ.get("LC_ALL"):
            os.environ["LC_CTYPE"] = LANG


def allow_open_files(*, keep_more: bool) -> None:
    """Let this process open ``OPEN_FILES`` files, or as many as its hard limit allows.

    With ``keep_more`` a higher limit stays: somebody has given it to this unit, or to Apache.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted or not keep_more:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def become(account: pwd.struct_passwd) -> None:
    """Give this process the account's user and groups. Ends the process when its user may not do that."""
    if os.geteuid() == 0:
        os.initgroups(account.pw_name, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    elif os.geteuid() != account.pw_uid:
        sys.exit(f"run: only root and {account.pw_name} may run commands of {account.pw_name}")


def close_inherited() -> None:
    """Close what this process has inherited from its caller, but for the standard streams."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            # The folder that is being read is closed by now.
            with contextlib.suppress(OSError):
                os.close(int(name))


def named_command(release: Release, kind: str, name: str) -> tuple[list[str], bool]:
    """Return the words of a timer's or agent's command, and whether it tells systemd itself that it is ready.

    Ends the process when the release has none of that name.
    """
    commands = release.commands.get(f"{kind}s", {})
    if name not in commands:
        names = ", ".join(sorted(commands)) or "none"
        sys.exit(f"run: --{kind} takes one of the {'live ' if kind == 'timer' else ''}release's {kind}s: {names}")
    if kind == "timer":
        return shlex.split(commands[name]), False
    return shlex.split(commands[name]["command"]), bool(commands[name].get("notify"))


def with_lease(release: Release, account: str, name: str, words: list[str]) -> list[str]:
    """Return the words of an agent's command, with those of the program that runs it on one host of several."""
    agent = release.commands["agents"][name]
    lease = agent.get("lease")
    if not lease:
        return words
    database = lease["database"]
    if "variable" in database:
        place = ["--variable", database["variable"]]
    else:
        place = ["--config", f"{{etc}}/{database['config']}", "--option", database.get("option", DATABASE_OPTION)]
    options = ["--agent", f"{account}/{name}", *place, "--stop-timeout", str(lease["stop_timeout"])]
    return ["python", f"{{release}}/{LEASE}", *options, *(["--notify"] if agent.get("notify") else []), "--", *words]


def note_release(release: Release) -> None:
    """Write the agent's process id and release where ``status`` reads them; its environment may not be readable."""
    if "RUNTIME_DIRECTORY" in os.environ:
        with open(os.path.join(os.environ["RUNTIME_DIRECTORY"], "release"), "w", encoding="utf-8") as stream:
            stream.write(f"{os.getpid()} {release.identifier}\n")


def report_ready(address: str) -> None:
    """Tell systemd, at its socket's address, that the service is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.connect("\0" + address[1:] if address.startswith("@") else address)
        systemd.send(b"READY=1")


def main(arguments: list[str]) -> None:
    """Replace this process by the program that the command line names; return only by SystemExit."""
    if len(arguments) < 3:
        sys.exit(__doc__)
    name, folder, *words = arguments
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        sys.exit(f"run: there is no account {name}")
    become(account)
    close_inherited()
    try:
        release = Release.read(folder)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"run: {name} has no release that can be used: {error}")
    kind = {"--timer": "timer", "--agent": "agent"}.get(words[0], "command")
    notifies = False
    if kind != "command":
        if len(words) != 2:
            sys.exit(f"run: {words[0]} takes one name")
        words, notifies = named_command(release, kind, words[1])
    elif words[0] == "--":
        words = words[1:]
    if kind == "agent":
        note_release(release)
        own, words = words, with_lease(release, name, arguments[3], words)
        kind = kind if words == own else "lease"
        if kind == "agent" and "NOTIFY_SOCKET" in os.environ and not notifies:
            report_ready(os.environ.pop("NOTIFY_SOCKET"))
    passed_on = {variable: os.environ[variable] for variable in PASSED_ON[kind] if variable in os.environ}
    environment = {**passed_on, **release.environment(account)}
    command = [release.expand(word) for word in words]
    os.umask(release.umask)
    allow_open_files(keep_more=kind != "command")
    os.chdir(folder)
    try:
        os.execvpe(command[0], command, environment)
    except (OSError, IndexError) as error:
        sys.exit(f"run: {command[0] if command else 'no command'}: {getattr(error, 'strerror', error)}")


if __name__ == "__main__":
    main(sys.argv[1:])
