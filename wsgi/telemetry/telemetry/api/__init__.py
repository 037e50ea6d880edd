"""The HTTP side. No error page is coloured here, for which Pecan would load Pygments wherever it is installed: 5 MB."""

from telemetry import lean

with lean.hidden("pygments"):
    import pecan  # noqa: F401
