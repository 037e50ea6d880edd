"""The limits of the report: from when on something needs attention, and what of it a page shows."""

from __future__ import annotations

CERTIFICATE_DAYS = 21
"""Days before the end of a certificate: Grove renews its own 30 days before, so this one was not."""

EVENTS = 8
"""Events of an application's history on the page; ``./grove status -e last=N`` shows more."""

ROUTES_LINES = 4000
"""Lines of a URL map: nova's has 900. A longer one would make the page slow on a phone."""

INDEX_SECONDS = 120
"""uv's questions to the index: a control plane has 300 packages, which it asks about at the same time."""

PROBLEM_CHARACTERS = 500
"""Characters of uv's message about an index: its beginning names the package or the address."""
