"""Exit with status 0 if HAProxy answers on its runtime socket, whose path is the argument. keepalived runs this."""

from __future__ import annotations

import socket
import sys

SECONDS = 4.0
"""For the answer. keepalived ends this program after 5."""


def answers(path: str) -> bool:
    """Return whether the process that serves says something about itself."""
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SECONDS)
            connection.connect(path)
            connection.sendall(b"show info\n")
            while piece := connection.recv(65536):
                answer += piece
    except OSError:
        return False
    return b"Pid:" in answer


if __name__ == "__main__":
    sys.exit(0 if answers(sys.argv[1]) else 1)
