"""Virtual hosts, accounts, permissions and limits of a RabbitMQ broker, through its definitions.

One run of rabbitmqctl reads all definitions and one run writes them. The other commands of rabbitmqctl take passwords
as arguments, which everybody can read in the process table.
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
from ansible_collections.grove.wsgi.plugins.module_utils.host.os_errors import explain

ALL_RIGHTS = {"configure": ".*", "write": ".*", "read": ".*"}
HASHING = "rabbit_password_hashing_sha256"
# The account that the server runs as.
ACCOUNT = "rabbitmq"
# Seconds that a command may take: rabbitmqctl's own limit, and a longer one in case it does not keep that.
COMMAND_TIMEOUT = 120
PROCESS_TIMEOUT = 240
LIMIT_POLICY = "grove-unread-notifications"


class BrokerError(OperatorError):
    """The broker does not answer or refuses a command."""


@dataclass
class Changes:
    """Changes of a broker.

    Attributes:
        definitions: Definitions that are added or replaced, by their kind.
        removed_users: Names of accounts that are removed.
        removed_permissions: Accounts and the virtual hosts in which they lose their rights.
        removed_vhosts: Names of virtual hosts that are removed with their queues.
        lines: A line of text for each change, without secrets.
    """

    definitions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    removed_users: list[str] = field(default_factory=list)
    removed_permissions: list[tuple[str, str]] = field(default_factory=list)
    removed_vhosts: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def put(self, kind: str, value: dict[str, Any], line: str) -> None:
        """Add one definition that is added or replaced."""
        self.definitions.setdefault(kind, []).append(value)
        self.lines.append(line)


def password_hash(password: str, salt: bytes) -> str:
    """Return the hash that RabbitMQ stores for a password. ``salt`` has four bytes."""
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
    current: Mapping[str, Any],
    users: Iterable[Mapping[str, Any]],
    absent: Iterable[str],
    unread: int,
    absent_vhosts: Iterable[str] = (),
) -> Changes:
    """Return the changes that a broker needs.

    Args:
        current: The definitions that the broker exports.
        users: Accounts, each with ``name``, ``password`` and ``vhosts``. They also get all rights in those of their
            ``former_vhosts`` that the broker has.
        absent: Names of accounts that are removed.
        unread: Messages that a queue of notifications may hold; 0 for no limit.
        absent_vhosts: Names of virtual hosts that are removed.
    """
    changed = Changes()
    known = {user["name"]: user for user in current.get("users", [])}
    vhosts = {vhost["name"] for vhost in current.get("vhosts", [])}
    granted = {(one["user"], one["vhost"]): one for one in current.get("permissions", [])}
    policies = {one["vhost"]: one for one in current.get("policies", []) if one["name"] == LIMIT_POLICY}
    users = list(users)
    gone = set(absent_vhosts) & vhosts
    former = {user["name"]: [*{*user.get("former_vhosts", ())} & vhosts - gone] for user in users}
    users = [{**user, "vhosts": [*user["vhosts"], *former[user["name"]]]} for user in users]
    for vhost in sorted({vhost for user in users for vhost in user["vhosts"]}):
        if vhost not in vhosts:
            changed.put("vhosts", {"name": vhost}, f"virtual host {vhost}")
        policy = _limit(vhost, unread)
        if unread and any(policies.get(vhost, {}).get(key) != value for key, value in policy.items()):
            changed.put("policies", policy, f"limit of unread notifications in {vhost}")
    for user in users:
        name = user["name"]
        if name not in known or not is_password(user["password"], known[name]):
            stored = password_hash(user["password"], os.urandom(4))
            value = {"name": name, "password_hash": stored, "hashing_algorithm": HASHING, "tags": []}
            changed.put("users", value, f"{'password of ' if name in known else ''}account {name}")
        for vhost in user["vhosts"]:
            if {key: granted.get((name, vhost), {}).get(key) for key in ALL_RIGHTS} != ALL_RIGHTS:
                changed.put("permissions", {"user": name, "vhost": vhost, **ALL_RIGHTS}, f"account {name} in {vhost}")
        for other, vhost in sorted(granted):
            if other == name and vhost not in user["vhosts"] and vhost not in gone:
                changed.removed_permissions.append((name, vhost))
                changed.lines.append(f"account {name} no longer in {vhost}")
    for name in absent:
        if name in known:
            changed.removed_users.append(name)
            changed.lines.append(f"account {name} removed")
    for vhost in sorted(gone):
        changed.removed_vhosts.append(vhost)
        changed.lines.append(f"virtual host {vhost} removed")
    return changed


def _limit(vhost: str, unread: int) -> dict[str, Any]:
    return {
        "vhost": vhost,
        "name": LIMIT_POLICY,
        "pattern": "^(versioned_)?notifications[.]",
        "apply-to": "queues",
        "definition": {"max-length": unread, "overflow": "drop-head"},
        "priority": 0,
    }


class Broker:
    """The broker of this host."""

    def __init__(self, program: str = "rabbitmqctl") -> None:
        """Take the name or path of rabbitmqctl."""
        self.program = program

    def definitions(self) -> dict[str, Any]:
        """Return its definitions. Raises BrokerError."""
        output = self._run("export_definitions", "-")
        try:
            exported: dict[str, Any] = json.loads(output[output.index("{") :])
        except ValueError:
            raise BrokerError("export_definitions: rabbitmqctl prints something that is not JSON") from None
        return exported

    def apply(self, changed: Changes) -> None:
        """Make the changes. Raises BrokerError."""
        if changed.definitions:
            self._import(changed.definitions)
        for name, vhost in changed.removed_permissions:
            self._run("clear_permissions", "-p", vhost, name)
        for name in changed.removed_users:
            self._run("delete_user", name)
        for name in changed.removed_vhosts:
            self._run("delete_vhost", name)

    def _import(self, definitions: Mapping[str, Any]) -> None:
        # From a file, because rabbitmqctl of RabbitMQ 4 on Erlang 27 never sees the end of standard input. When root
        # calls it, rabbitmqctl runs as the server's account, which has to be able to read the file.
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(definitions, file)
            file.flush()
            with contextlib.suppress(KeyError, OSError):
                os.chown(file.name, pwd.getpwnam(ACCOUNT).pw_uid, -1)
            self._run("import_definitions", file.name)

    def _run(self, *words: str) -> str:
        command = [self.program, "--quiet", "--timeout", str(COMMAND_TIMEOUT), *words]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=PROCESS_TIMEOUT,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BrokerError(f"{words[0]}: {explain(error)}") from None
        if done.returncode:
            lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip(" :-")]
            raise BrokerError(f"{words[0]}: {' '.join(lines[:3]) or f'exit status {done.returncode}'}")
        return done.stdout
