"""Virtual hosts, accounts, permissions and limits of a RabbitMQ broker, by way of its definitions.

Definitions are read and written as a whole, each in one run of rabbitmqctl and neither on a command line: what its
other commands take as an argument can be read in the process table.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError

ALL = {"configure": ".*", "write": ".*", "read": ".*"}
HASHING = "rabbit_password_hashing_sha256"
ACCOUNT = "rabbitmq"
LIMIT = "grove-unread-notifications"


class BrokerError(OperatorError):
    """The broker does not answer, or refuses what it is asked."""


@dataclass
class Changes:
    """What has to be done: ``add`` is imported, the rest is removed one by one. ``said`` names it without secrets."""

    add: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)
    permissions: list[tuple[str, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def put(self, kind: str, value: dict[str, Any], said: str) -> None:
        """Note one definition that is added or replaced."""
        self.add.setdefault(kind, []).append(value)
        self.said.append(said)


def password_hash(password: str, salt: bytes) -> str:
    """Return what RabbitMQ stores of a password. ``salt`` has four bytes."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def is_password(password: str, user: Mapping[str, Any]) -> bool:
    """Return whether a user of the definitions has this password."""
    stored = str(user.get("password_hash", ""))
    try:
        salt = base64.b64decode(stored)[:4]
    except ValueError:
        return False
    return user.get("hashing_algorithm") == HASHING and password_hash(password, salt) == stored


def changes(
    current: Mapping[str, Any], users: Iterable[Mapping[str, Any]], absent: Iterable[str], unread: int
) -> Changes:
    """Return what makes the definitions ``current`` as they are wanted.

    Args:
        current: What the broker exports.
        users: Accounts, each with ``name``, ``password`` and ``vhosts``.
        absent: Names of accounts that are removed.
        unread: Messages that a queue of notifications may hold; 0 for no limit.
    """
    found = Changes()
    known = {user["name"]: user for user in current.get("users", [])}
    vhosts = {vhost["name"] for vhost in current.get("vhosts", [])}
    granted = {(one["user"], one["vhost"]): one for one in current.get("permissions", [])}
    policies = {one["vhost"]: one for one in current.get("policies", []) if one["name"] == LIMIT}
    users = list(users)
    for vhost in sorted({vhost for user in users for vhost in user["vhosts"]}):
        if vhost not in vhosts:
            found.put("vhosts", {"name": vhost}, f"virtual host {vhost}")
        policy = _limit(vhost, unread)
        if unread and any(policies.get(vhost, {}).get(key) != value for key, value in policy.items()):
            found.put("policies", policy, f"limit of unread notifications in {vhost}")
    for user in users:
        name = user["name"]
        if name not in known or not is_password(user["password"], known[name]):
            stored = password_hash(user["password"], os.urandom(4))
            value = {"name": name, "password_hash": stored, "hashing_algorithm": HASHING, "tags": []}
            found.put("users", value, f"{'password of ' if name in known else ''}account {name}")
        for vhost in user["vhosts"]:
            if {key: granted.get((name, vhost), {}).get(key) for key in ALL} != ALL:
                found.put("permissions", {"user": name, "vhost": vhost, **ALL}, f"account {name} in {vhost}")
        for other, vhost in sorted(granted):
            if other == name and vhost not in user["vhosts"]:
                found.permissions.append((name, vhost))
                found.said.append(f"account {name} no longer in {vhost}")
    for name in absent:
        if name in known:
            found.users.append(name)
            found.said.append(f"account {name} removed")
    return found


def _limit(vhost: str, unread: int) -> dict[str, Any]:
    return {
        "vhost": vhost,
        "name": LIMIT,
        "pattern": "^(versioned_)?notifications[.]",
        "apply-to": "queues",
        "definition": {"max-length": unread, "overflow": "drop-head"},
        "priority": 0,
    }


class Broker:
    """The broker of this host."""

    def __init__(self, program: str = "rabbitmqctl") -> None:
        """Take the program that talks to it."""
        self.program = program

    def definitions(self) -> dict[str, Any]:
        """Return what it exports. Raises BrokerError."""
        said = self._run("export_definitions", "-")
        try:
            exported: dict[str, Any] = json.loads(said[said.index("{") :])
        except ValueError:
            raise BrokerError("reading its definitions: rabbitmqctl prints something that is no JSON") from None
        return exported

    def apply(self, wanted: Changes) -> None:
        """Do what ``wanted`` says. Raises BrokerError."""
        if wanted.add:
            self._import(wanted.add)
        for name, vhost in wanted.permissions:
            self._run("clear_permissions", "-p", vhost, name)
        for name in wanted.users:
            self._run("delete_user", name)

    def _import(self, definitions: Mapping[str, Any]) -> None:
        # Through a file, since RabbitMQ 4 on Erlang 27 waits for ever for the end of its standard input. rabbitmqctl
        # becomes the server's account when root calls it.
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(definitions, file)
            file.flush()
            with contextlib.suppress(KeyError, PermissionError):
                os.chown(file.name, pwd.getpwnam(ACCOUNT).pw_uid, -1)
            self._run("import_definitions", file.name)

    def _run(self, *words: str) -> str:
        command = [self.program, "--quiet", "--timeout", "30", *words]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BrokerError(f"{words[0]}: {error}") from None
        if done.returncode:
            lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip(" :-")]
            raise BrokerError(f"{words[0]}: {' '.join(lines[:3]) or f'exit status {done.returncode}'}")
        return done.stdout
