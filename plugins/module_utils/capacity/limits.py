"""The limits of measuring a host's capacity."""

from __future__ import annotations

SINCE = "1d"
"""How far back the access log is read, if nobody says: a day has the busiest hour in it."""

STATUS_SECONDS = 5.0
"""Apache's answer about its own state. A busy Apache may have no worker for it."""

COMMAND_SECONDS = 10.0
"""The answer of a database server about its connections. A server that needs longer is hanging."""

TIMED_LEAST = 100
"""Requests from which the time that an application needs is known well enough to compute with."""
