"""The limits of starting and stopping Apache."""

from __future__ import annotations

STOP_SECONDS = 120.0
"""Until Apache's parent is gone after a stop. It waits for its children, which answer their last requests."""

SERVING_SECONDS = 30.0
"""Until Apache has new children and holds its addresses after a start or reload. It loads no application then."""

POLL_SECONDS = 0.05
"""Pause between two looks at Apache's processes."""

LOG_LINES = 4
"""Last lines of the error log that a message shows: Apache gives the reason in one of them."""

MARK_CHARACTERS = 400
"""Characters at the head of a file in which the mark of Grove is looked for."""

CREDENTIAL_BYTES = 32
"""Random bytes of a door's credential: as many as a key that nobody guesses has."""
