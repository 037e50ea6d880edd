"""Runs the parts of the tests side by side."""
