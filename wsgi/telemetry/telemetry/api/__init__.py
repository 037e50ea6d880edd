"""The HTTP API.

This package is the first to import Pecan. Pecan loads Pygments (5 MB) if it is installed, to colour its debugging
pages, which this API never shows.
"""

from telemetry import imports

with imports.pretend_missing("pygments"):
    import pecan  # noqa: F401
