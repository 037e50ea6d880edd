"""The fixed numbers of working with a host's own programs, each with its unit and its reason."""

from __future__ import annotations

PACKAGE_LOCK_SECONDS = 900
"""Seconds for which a run waits for another program that installs packages: a night's security updates take minutes."""

PACKAGE_LOCK_CALL_SECONDS = 15
"""Seconds for which one call of the module waits. Connections without traffic may be closed."""

PACKAGE_LOCK_PAUSE_SECONDS = 0.5
"""Seconds between two looks at the locks: a look opens four files."""

CONNECT_SECONDS = 5.0
"""Until a connection to another host is open or refused. The kernel asks again after 1 s and 3 s."""

SETTLE_SECONDS = 60.0
"""For a server that is starting while its state is read: until it runs or has failed."""

COMMAND_SECONDS = 60.0
"""For commands that ask systemd, dpkg or apt."""

STOP_SECONDS = 900.0
"""For the stop of a server, as in Debian's unit of MariaDB."""

POLL_SECONDS = 0.5
"""Pause between two looks at a server's state."""

LOG_LINES = 12
"""Last lines of a server's log that a message shows."""
