"""The limits of what ``./grove logs`` reads and shows."""

from __future__ import annotations

LAST = 2000
"""Entries of a host that are shown, the newest ones, if nobody says how many: some screens full."""

MOST = 100_000
"""Entries of a host, at most: Ansible carries all of them in one answer, and a host has the memory for them."""

TAIL_BYTES = 64 * 2**20
"""Bytes that are read from the end of a file: half a million lines of an access log, in a few seconds."""

ENTRY_CHARACTERS = 200_000
"""Characters of an entry that are passed on. A longer line is a dump; the file has all of it."""

LONGEST_DAYS = 3650
"""Days that ``since`` may go back: no log is older."""

JOURNAL_SECONDS = 60
"""Seconds that journalctl may take; a journal of several gigabytes takes ten."""
