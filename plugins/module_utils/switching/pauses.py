"""Retrying an attempt until it succeeds or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from ansible_collections.grove.wsgi.plugins.module_utils.switching import limits
from ansible_collections.grove.wsgi.plugins.module_utils.switching.errors import SwitchError


def pauses(seconds: float) -> Iterator[None]:
    """Yield at once, and then after growing pauses until ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    pause = limits.FIRST_PAUSE_SECONDS
    yield
    while time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(limits.LONGEST_PAUSE_SECONDS, pause * limits.PAUSE_GROWTH)
        yield


def retry(seconds: float, attempt: Callable[[], None]) -> None:
    """Call ``attempt`` until it does not raise SwitchError; after ``seconds`` the last error goes on."""
    for _ in pauses(seconds):
        try:
            attempt()
            return
        except SwitchError:
            continue
    attempt()
