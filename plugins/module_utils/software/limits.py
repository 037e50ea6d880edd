"""The limits of reading a host's software, each with its unit and its reason."""

from __future__ import annotations

LISTS_DAYS = 1
"""Days after which apt's lists count as old, if their reader does not say so. Debian publishes advisories every day."""
