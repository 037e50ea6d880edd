"""The limits of a report."""

from __future__ import annotations

REQUEST_SECONDS = 5.0
"""The request to the front. A report on many applications has to end while a person waits."""

ENDS_SECONDS = 86400.0
"""How far back a report counts processes that were ended by a signal: a night, and the day before it."""

EVENTS = 5
"""Events of an application's history that a report shows, if its reader does not say how many."""

AT_ONCE = 16
"""Applications that a report looks at at the same time. Each takes a connection, and a process of du or systemctl."""
