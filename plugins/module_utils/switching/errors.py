"""The error of switching."""

from __future__ import annotations

from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError


class SwitchError(OperatorError):
    """The traffic was not handed over; the message says why. The slot map is as it was before."""


class LateAnswerError(SwitchError):
    """An application took longer to answer than ``REQUEST_SECONDS``, as it does while it loads its release."""
