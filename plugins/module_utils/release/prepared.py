"""What a host remembers of the key ``prepare``: the command lines that have been run to their end.

The file lies in the application's folder, which root owns, and holds hashes: command lines may hold secrets.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text

FILE = "prepared.json"


def key_of(line: str) -> str:
    """Return by which name a command line is remembered."""
    return hashlib.sha256(line.encode()).hexdigest()[:16]


def read(folder: AppFolder) -> dict[str, Any]:
    """Return the remembered command lines by name, each with ``at`` and ``release``.

    Raises OSError, and ValueError for a file that somebody has damaged.
    """
    path = folder.path / FILE
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no dictionary; delete the file to let all commands of prepare run again")
    return content


def note(folder: AppFolder, line: str, release_id: str) -> None:
    """Remember a command line. Raises OSError and ValueError."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    content = {**read(folder), key_of(line): {"at": at, "release": release_id}}
    replace_text(folder.path / FILE, json.dumps(content, indent=1) + "\n", mode=0o640)
