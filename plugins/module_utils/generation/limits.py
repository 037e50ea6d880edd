"""The limits of a handover. Seconds are what a step may take at most, unless the name says otherwise."""

from __future__ import annotations

START_SECONDS = 60.0
"""Until a new generation has written its process id and holds its door. It loads no application before that."""

STATUS_SECONDS = 10.0
"""A request for the status of a generation."""

QUIET_SECONDS = 1.0
"""How long a generation has no request, beyond the time for which it keeps a connection, until it counts as drained."""

POLL_SECONDS = 0.1
"""Pause between two looks at a generation."""

STOP_SECONDS = 90.0
"""Until the parent of a drained generation has ended. mod_wsgi ends daemon processes after their shutdown-timeout,
which is 60 seconds if the record does not say otherwise."""

KILL_SECONDS = 10.0
"""Until killed processes are gone."""

KEEPALIVE_SECONDS = 5.0
"""Apache's own KeepAliveTimeout, where no file sets another."""

KEPT_TREES = 2
"""Trees of generations that are kept: that of the live one, and that of the former one."""

SPARE_BYTES = 64 * 1024 * 1024
"""Memory that has to be left beside two generations."""

SERVED_ON_RESULTS = ("signal", "core-dump", "exit-code")
"""How a unit ends that was not stopped (systemd.exec(5), SERVICE_RESULT). After the first two, systemd starts it again.
After the third one, the start itself has failed, and somebody has to mend Apache while its workers serve on."""
