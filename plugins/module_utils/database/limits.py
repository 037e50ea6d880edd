"""The limits of what is asked of MariaDB and Galera."""

from __future__ import annotations

ANSWER_SECONDS = 10
"""For the server's answer on its socket, which comes at once unless the machine is very busy."""

RECOVER_SECONDS = 3600.0
"""For InnoDB's crash recovery, after which the position is known. It reads the whole redo log."""
