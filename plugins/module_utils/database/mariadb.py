"""Comparing databases and accounts with those of a MariaDB server."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

EVERY_HOST = "%"
PLUGIN = "mysql_native_password"
GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<place>\S+) TO \S+(?P<rest>.*)", re.DOTALL)
NONE = {("USAGE", "*.*")}


@dataclass(frozen=True)
class Account:
    """An account of the server: the plugin that checks its password, the password's hash, and its grants as texts."""

    plugin: str
    password: str
    grants: Sequence[str] = ()


def password_hash(password: str) -> str:
    """Return what the server stores of a password, as its function PASSWORD() does."""
    # The server's own scheme: no choice of this code.
    inner = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(inner, usedforsecurity=False).hexdigest().upper()


def differing(users: Iterable[Mapping[str, Any]], present: Mapping[tuple[str, str], Account]) -> list[str]:
    """Return the names of the users that differ from the server's accounts.

    users: as in the variable ``database_users``. present: the accounts by name and host.
    """
    return [str(user["name"]) for user in users if not _is_present(user, present)]


def _is_present(user: Mapping[str, Any], present: Mapping[tuple[str, str], Account]) -> bool:
    account = present.get((str(user["name"]), str(user.get("host") or EVERY_HOST)))
    if user.get("state") == "absent":
        return account is None
    if account is None or not user.get("password"):
        return False
    expected = NONE | {("ALL PRIVILEGES", f"`{database}`.*") for database in user.get("databases") or ()}
    secret = password_hash(str(user["password"]))
    return (account.plugin, account.password) == (PLUGIN, secret) and _granted(account.grants) == expected


def _granted(grants: Iterable[str]) -> set[tuple[str, str]]:
    """Return privileges and places of grants. A grant with an option equals none that is expected."""
    granted = set()
    for line in grants:
        match = GRANT.fullmatch(line)
        rest = re.sub(r" IDENTIFIED BY PASSWORD '[^']*'", "", match["rest"]) if match else ""
        granted.add((match["privileges"], match["place"]) if match and not rest else (line, ""))
    return granted
