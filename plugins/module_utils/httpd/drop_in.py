"""The drop-in by which Grove adds to Apache's unit of systemd.

Its name sorts before those of an operator's own drop-ins, so that these win.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.httpd import tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

UNITS = Path("/etc/systemd/system")
NAME = "20-grove.conf"


def path_of(service: str) -> Path:
    """Return the path of the drop-in for the service."""
    return UNITS / f"{service}.service.d" / NAME


def current(layout: Layout) -> tree.Entry:
    """Return the drop-in as it stands, which may be absent."""
    return tree.current("/", str(path_of(layout.service)))


def put(layout: Layout, entry: tree.Entry) -> None:
    """Write or remove the drop-in. It takes effect when systemd has read it and has started Apache again."""
    tree.put("/", str(path_of(layout.service)), entry)
