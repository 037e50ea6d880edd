"""The limits of an audit on the controller, each with its unit and its reason."""

from __future__ import annotations

CONNECT_SECONDS = 15
"""The answer of the database to one question. A database that needs more counts as one that cannot be reached."""

QUESTIONS_SECONDS = 60
"""The start of pip-audit and the first questions."""

QUESTION_SECONDS = 2
"""Each further question: the database answers in less than half a second; a control plane has 300 packages."""

SHOWN_NAMES = 20
"""Packages that one line of the report names; the JSON has all of them."""
