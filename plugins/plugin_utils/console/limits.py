"""Numbers of the console, each in one place."""

from __future__ import annotations

HOSTS_SHOWN = 3
"""Names of hosts in a line; a count stands for the others."""
ROWS_SHOWN = 10
"""Hosts that have a row of their own at the end of a run; of more, those that nothing went wrong on share one."""
LABELS_SHOWN = 6
"""Names of applications, or other items of a loop, in a line."""
LABEL_LENGTH = 40
"""Characters of an item's label that is shown; a longer one is no name."""
NAME_WIDTH = 48
"""The widest column of steps; the times stand behind it."""
NARROWEST = 20
"""Columns that a line takes on a terminal that claims to be narrower."""
MESSAGE_LINES = 6
"""Lines of a failure's message that are repeated at the end of the run."""
TICK_SECONDS = 0.5
"""Seconds between two looks of the live line at the clock."""
SIGN_OF_LIFE_SECONDS = 60
"""Seconds after which a pipe, which has no live line, gets a line about a step that is still at work."""
