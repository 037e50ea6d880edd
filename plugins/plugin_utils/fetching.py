"""Fetching archives from a host to the controller, and sending them to other hosts."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants


def fetched(connection: Any, path: str) -> str:
    """Fetch a file of a host; return its path on the controller. Ansible removes it when it ends."""
    handle, local = tempfile.mkstemp(suffix=os.path.basename(path), dir=constants.DEFAULT_LOCAL_TMP)
    os.close(handle)
    connection.fetch_file(path, local)
    return local


def once(key: Mapping[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what ``work`` returns, which a run does once for all hosts that ask for the same ``key``.

    Hosts of a batch ask at the same time: the first one works, and the others wait for its result. A result with
    ``failed`` is for this host alone.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    # The processes of a run share this folder, which Ansible removes when it ends.
    kept = Path(constants.DEFAULT_LOCAL_TMP, f"once-{digest}.json")
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            result: dict[str, Any] = json.loads(kept.read_text())
            return result
        result = work()
        if not result.get("failed"):
            kept.write_text(json.dumps(result))
        return result
