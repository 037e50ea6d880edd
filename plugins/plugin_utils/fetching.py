"""Fetching archives from a host to the controller, and sending them to another host."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ansible import constants


def fetched(connection: Any, path: str) -> str:
    """Fetch a file of a host; return its path on the controller. Ansible removes it when it ends."""
    handle, local = tempfile.mkstemp(suffix=os.path.basename(path), dir=constants.DEFAULT_LOCAL_TMP)
    os.close(handle)
    connection.fetch_file(path, local)
    return local
