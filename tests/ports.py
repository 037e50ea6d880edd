"""Ports for the servers that tests start."""

from __future__ import annotations

import random
import socket

PORTS = range(20_000, 27_000)
"""Below those that the kernel gives to clients (32768 and up): between the choice of such a port and the start of its
server, any connection of this machine could take it."""


def free_port() -> int:
    """Return a port of the loopback address on which nobody listens. Raises OSError if there is none."""
    # In random order, so that two runs at the same time rarely choose the same port.
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError(f"all ports from {PORTS.start} to {PORTS.stop - 1} are taken")
