"""The fixed numbers of working with a host's own programs, each with its unit and its reason."""

from __future__ import annotations

PACKAGE_LOCK_SECONDS = 900
"""Seconds for which a run waits for another program that installs packages: a night's security updates take minutes."""

PACKAGE_LOCK_CALL_SECONDS = 15
"""Seconds for which one call of the module waits. Connections without traffic may be closed."""

PACKAGE_LOCK_PAUSE_SECONDS = 0.5
"""Seconds between two looks at the locks: a look opens four files."""
