"""The credentials of the doors: who presents one in a request header may use a door.

A file holds the header as one line, so that ``curl -H @FILE`` can send it and no command line shows it. Apache's
configuration has the SHA-1 of a credential alone. A credential is random and as long as a key, so nobody finds it by
its hash; that SHA-1 has collisions does not matter here.
"""

from __future__ import annotations

import grp
import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import limits

HEADER = "X-Grove-Door"
FOLDER = Path("/var/lib/grove")
ROOT = "door.header"
"""Opens every door; root alone may read this file."""
STATUS = "status.header"
"""Opens the door with the server's status; root and one group may read this file."""


class CredentialError(OperatorError):
    """A credential cannot be made; the message says which setting is wrong."""


def read(name: str = ROOT, folder: Path = FOLDER) -> str:
    """Return a credential; empty where there is none, or where this process may not read it."""
    try:
        text = (folder / name).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
    match = re.fullmatch(rf"{HEADER}: ([0-9a-f]+)\n", text)
    return match.group(1) if match else ""


def describe(folder: Path = FOLDER) -> dict[str, str]:
    """Return the hashes of both credentials, empty where there is none, and the group that may read the status."""
    found = {"root": _digest(read(ROOT, folder)), "status": _digest(read(STATUS, folder)), "group": ""}
    try:
        status = os.stat(folder / STATUS)
        if status.st_mode & 0o040:
            found["group"] = grp.getgrgid(status.st_gid).gr_name
    except (OSError, KeyError):
        pass
    return found


def ensure(group: str, folder: Path = FOLDER, *, dry: bool = False) -> dict[str, Any]:
    """Make the credentials that are missing, and let ``group`` read the one of the status (empty for root alone).

    Returns the module's result. Raises CredentialError when there is no such group, and OSError.
    """
    try:
        gid = grp.getgrnam(group).gr_gid if group else 0
    except KeyError:
        problem = f"httpd_status_group: there is no group {group!r} on this host; make it, or name another"
        raise CredentialError(problem) from None
    before = describe(folder)
    changed = not before["root"] or not before["status"] or before["group"] != group
    if changed and not dry:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        for name in (ROOT, STATUS):
            if not read(name, folder):
                credential = secrets.token_hex(limits.CREDENTIAL_BYTES)
                replace_text(folder / name, f"{HEADER}: {credential}\n", mode=0o600)
        os.chown(folder / STATUS, 0, gid)
        os.chmod(folder / STATUS, 0o640 if group else 0o600)
    after = describe(folder)
    return {"changed": changed, "digests": {"root": after["root"], "status": after["status"]}}


def _digest(credential: str) -> str:
    return hashlib.sha1(credential.encode(), usedforsecurity=False).hexdigest() if credential else ""
