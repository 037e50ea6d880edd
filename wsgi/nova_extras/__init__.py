"""Additions to nova's WSGI stack, mounted by an overlay of its paste file. See README.md."""
