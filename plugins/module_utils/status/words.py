"""The words for an application that is served, and for one that was removed and left its files.

The controller reads them in each run, so this module imports nothing.
"""

from __future__ import annotations

SERVED, REMOVED = "served", "removed"
REMOVED_TEXT = "removed: Apache has no site of it, and its files are kept"
