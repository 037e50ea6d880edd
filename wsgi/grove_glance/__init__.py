"""Additions to glance: its metadata definitions, loaded and checked (``python -m grove_glance``)."""
