"""What a handover needs of the kernel."""

from __future__ import annotations

import os
import platform
from pathlib import Path

MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")
"""With 1, connections that nobody has accepted move to another socket of the group when theirs is closed."""


def obstacle(migrate: Path = MIGRATE, *, dry: bool = False) -> str:
    """Let the kernel move waiting connections; return why this host cannot hand over, or nothing when it can."""
    if not migrate.exists():
        release = platform.release()
        return f"the kernel is {release}, and a handover needs 5.14 or later (there is no net.ipv4.tcp_migrate_req)"
    if migrate.read_text().strip() == "1":
        return ""
    can_write = os.access(migrate, os.W_OK)
    if can_write and not dry:
        migrate.write_text("1\n")
    return "" if can_write else "net.ipv4.tcp_migrate_req is 0 and cannot be set; in a container, set it to 1 outside"
