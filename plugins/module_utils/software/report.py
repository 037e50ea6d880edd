"""All software of a host that an audit looks at, as plain data."""

from __future__ import annotations

import contextlib
import pwd
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.software import debian, python
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file

APACHE = ("apache2", "httpd")


def report(base: Path, tools: list[Path], lists_days: float) -> dict[str, Any]:
    """Return ``parts``, the Python packages of releases and tools, and ``debian``, the pending security updates.

    ``base`` holds the applications' folders, and ``tools`` are folders of Grove's own tools.
    """
    folders = [AppFolder(name, base / name) for name in app_file.names(base)]
    mapped = mapped_by_user([folder.name for folder in folders])
    files = {file for own in mapped.values() for file in own}
    parts = [part for folder in folders for part in python.release_parts(folder)]
    return {"parts": [*parts, *python.tool_parts(tools, files)], "debian": debian.updates(mapped, lists_days)}


def mapped_by_user(apps: list[str]) -> dict[str, set[str]]:
    """Return the files that are mapped by the processes of each application's account, and by Apache's own."""
    accounts: dict[int, str] = {}
    for name in apps:
        with contextlib.suppress(KeyError):
            accounts[pwd.getpwnam(name).pw_uid] = name
    mapped: dict[str, set[str]] = {}
    for pid in list(processes.pids()):
        user = accounts.get(processes.owner(pid) or 0) or ("Apache" if processes.program(pid) in APACHE else None)
        # Processes of containers may have the same account numbers.
        if user and processes.is_local(pid):
            mapped.setdefault(user, set()).update(processes.mapped_files(pid))
    return mapped
