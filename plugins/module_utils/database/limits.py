"""The limits of what is asked of MariaDB and Galera."""

from __future__ import annotations

ANSWER_SECONDS = 10
"""For the server's answer on its socket, which comes at once unless the machine is very busy."""

CONNECT_SECONDS = 5.0
"""Until a connection to another host is open or refused. The kernel asks again after 1 s and 3 s."""

SETTLE_SECONDS = 60.0
"""For a server that is starting while its state is read: until it runs or has failed."""

COMMAND_SECONDS = 60.0
"""For commands that ask systemd, dpkg or apt."""

STOP_SECONDS = 900.0
"""For the stop of a server, as in Debian's unit."""

RECOVER_SECONDS = 3600.0
"""For InnoDB's crash recovery, after which the position is known. It reads the whole redo log."""

POLL_SECONDS = 0.5
"""Pause between two looks at the server's state."""

LOG_LINES = 12
"""Last lines of the server's log that a message shows."""
