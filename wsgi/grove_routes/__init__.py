"""Tells which code of a loaded WSGI application answers a request. Standard library and Python 3.9 only."""
