"""The base of every error that is meant for the operator."""

from __future__ import annotations


class OperatorError(Exception):
    """Something that the operator can act on. The message says what is wrong, where, and what would be right."""
