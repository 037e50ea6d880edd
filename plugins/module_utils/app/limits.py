"""The limits of what is kept in an application's folder."""

from __future__ import annotations

LEASE_SECONDS = 900.0
"""After so long without a sign of life, a run on another controller counts as gone. Modules renew the lease before and
after their work, and the longest of them, a build, has to end within that."""

HISTORY_EVENTS = 1000
"""Events of an application at which its history is shortened: some 300 kB, which every step reads as a whole."""

HISTORY_KEPT = 500
"""Newest events that are kept then, so that shortening is rare."""

HISTORY_DECISIVE_KEPT = 250
"""Older events that are kept too, of those that later runs decide by."""

MAP_LINE_CHARACTERS = 1000
"""Characters of the slot map's line. mod_rewrite reads 1024 and cuts the rest off."""

REASON_CHARACTERS = 2000
"""Characters of a failure's message that the history keeps: enough for the last lines of a program."""
