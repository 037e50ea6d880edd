"""The TCP connections of clients, from the kernel's own tables."""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.grove.wsgi.plugins.module_utils.host import processes

OPEN = {"01", "08"}
"""The states ESTABLISHED and CLOSE_WAIT: the server's end is still open (include/net/tcp_states.h)."""
Connection = tuple[str, str]
"""Both ends of a connection, as the kernel writes them."""


def to_ports(ports: Collection[int]) -> set[Connection]:
    """Return the open connections to these ports of the host, whichever process has them."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (processes.PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, remote, status, *_ = line.split(maxsplit=4)
            if status in OPEN and int(local.rpartition(":")[2], 16) in ports:
                found.add((local, remote))
    return found
