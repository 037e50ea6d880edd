"""The limits of what is asked of MariaDB and Galera."""

from __future__ import annotations

ANSWER_SECONDS = 10
"""For the server's answer on its socket, which comes at once unless the machine is very busy."""

RECOVER_SECONDS = 3600.0
"""For InnoDB's crash recovery, after which the position is known. It reads the whole redo log."""

COPY_SECONDS = 86400.0
"""For a copy of all data, its preparation, and the count of its rows."""

SCRATCH_SECONDS = 3600.0
"""For the start of the server that reads a copy, which may have to recover it."""

SCRATCH_POOL = "64M"
"""Memory for the pages of that server: it reads each table once."""

OPEN_FILES = 65535
"""Files that a copy may have open: one for each table."""

ROOM_RESERVE = 256 * 1024**2
"""Bytes that stay free on a disk beside a copy, for the redo logs that a server makes anew."""
