"""Which configuration the running Apache has loaded, compared with the one that was written.

``APPLIED`` has the state of the files that were written last, and survives reboots. ``LOADED`` has the state that the
running parent has read, and does not survive them. Because the two are compared, and no handler is needed, the next run
finishes one that was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible_collections.grove.wsgi.plugins.module_utils.host import processes
from ansible_collections.grove.wsgi.plugins.module_utils.host.files import replace_text
from ansible_collections.grove.wsgi.plugins.module_utils.httpd import tree

APPLIED = Path("/var/lib/grove/httpd-applied.json")
LOADED = Path("/run/grove/httpd-loaded.json")
ABSENT = "absent"


def note_applied(root: str, entries: dict[str, tree.Entry], restart_paths: list[str], written: Collection[str]) -> None:
    """Note the state of ``entries``, of which ``written`` had to be changed, beside what earlier calls noted.

    A file that was written counts as new even if its content was noted before: somebody else had changed the file in
    between, and Apache may have read that change.
    """
    noted = _read(APPLIED)
    files: dict[str, str] = {
        path: state if os.path.lexists(os.path.join(root, path)) or state.startswith(ABSENT) else ABSENT
        for path, state in noted.get("files", {}).items()
    }
    for path, entry in entries.items():
        state = ABSENT
        if entry != tree.ABSENT:
            state = hashlib.sha256(entry.describe().encode(errors="surrogateescape")).hexdigest()
        if path in written:
            files[path] = f"{state} {time.time_ns()}"
        elif files.get(path, ABSENT).split()[0] != state:
            files[path] = state
    restart = sorted({*noted.get("restart", []), *restart_paths} & set(files))
    fresh = {"root": root, "files": dict(sorted(files.items())), "restart": restart}
    if fresh != {key: noted.get(key) for key in fresh}:
        _write(APPLIED, fresh)


def pending(parent: int) -> tuple[list[str], bool]:
    """Return the paths that the Apache whose parent process is ``parent`` has not read yet.

    The second value says whether one of them needs a restart and not only a reload.
    """
    applied = _read(APPLIED)
    files: dict[str, str] = applied.get("files", {})
    loaded = _read(LOADED)
    started = processes.start_time(parent)
    if loaded.get("parent") != [parent, started]:
        # Apache was started by somebody else: it has read all that was written before.
        if not APPLIED.exists() or APPLIED.stat().st_mtime <= processes.start_clock(parent):
            return [], False
        known: dict[str, str] = {}
    else:
        known = loaded.get("files", {})
    differing = sorted(path for path in {*files, *known} if files.get(path) != known.get(path))
    return differing, any(path in applied.get("restart", []) for path in differing)


def note_loaded(parent: int, applied_file: Path | None = None) -> None:
    """Note that ``parent`` has read all that was written so far, or all that a copy of the note ``APPLIED`` has."""
    applied = _read(applied_file or APPLIED)
    _write(LOADED, {"parent": [parent, processes.start_time(parent)], "files": applied.get("files", {})})


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_text(path, json.dumps(content, indent=1) + "\n", mode=0o600)
