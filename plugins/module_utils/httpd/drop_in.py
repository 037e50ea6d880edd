"""The drop-in by which Grove adds to Apache's unit of systemd.

Its name sorts before those of an operator's own drop-ins, so that these win.
"""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.module_utils.httpd import tree
from ansible_collections.grove.wsgi.plugins.module_utils.httpd.layout import Layout

UNITS = Path("/etc/systemd/system")
NAME = "20-grove.conf"
PROGRAM = "/usr/local/sbin/grove-httpd"
"""The command of generations; the drop-in names it where a handover takes the place of reloads."""
REFUSAL = Path("/run/grove/httpd-handover-refused")
"""Why the last handover was refused, as text for the operator."""


ONLY_AT_START = {
    "PrivateTmp": "all processes of the unit share the folders that systemd made when the first one started",
    "PrivateIPC": "all processes of the unit share the queues that systemd made when the first one started",
}
"""Directives that a process gets from the first one of its unit, with the reason. A new generation has all other ones:
systemd gives it the limits and the view of the host that the unit has when the generation starts."""


def path_of(service: str) -> Path:
    """Return the path of the drop-in for the service."""
    return UNITS / f"{service}.service.d" / NAME


def current(layout: Layout) -> tree.Entry:
    """Return the drop-in as it stands, which may be absent."""
    return tree.current("/", str(path_of(layout.service)))


def put(layout: Layout, entry: tree.Entry) -> None:
    """Write or remove the drop-in. It takes effect when systemd has read it and has started Apache again."""
    tree.put("/", str(path_of(layout.service)), entry)


def hands_over(layout: Layout) -> bool:
    """Return whether Apache's unit hands over to a new generation when it is told to reload."""
    return _hands_over(current(layout).content)


def restart_reasons(before: str | None, after: str | None) -> list[str]:
    """Return why a handover is not enough to go from one content of the drop-in to another one: setting and reason.

    The list is empty where a handover is enough.
    """
    if not (_hands_over(before) and _hands_over(after)):
        reason = "a handover takes place between two generations, and Apache runs as none, or is to run as none"
        return [f"httpd_handover: {reason}"]
    return [
        f"{name}: {reason}" for name, reason in ONLY_AT_START.items() if _values(name, before) != _values(name, after)
    ]


def _hands_over(content: str | None) -> bool:
    return f"ExecReload=+{PROGRAM} " in (content or "")


def _values(name: str, content: str | None) -> list[str]:
    return re.findall(rf"(?m)^{name}=(.*)$", content or "")


def stop_permission(service: str) -> Path:
    """Return the path of a drop-in that lasts until the next boot, with the permission to stop the service."""
    return Path("/run/systemd/system", f"{service}.service.d", "90-grove-stop.conf")
