"""Gives the application's own log what ends its background threads.

Python prints such a traceback to the standard error output. In a daemon process this is Apache's, where the lines have
neither the application's format and level nor its own file, if it has one.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

LOG = logging.getLogger("grove_runtime.background")


def report(arguments: Any) -> None:
    """Log the exception that has ended a thread. ``arguments`` are those of ``threading.excepthook``."""
    if arguments.exc_type is SystemExit:
        return
    name = arguments.thread.name if arguments.thread else "without a name"
    error = (arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
    LOG.error("an exception has ended the thread %s", name, exc_info=error)


def install() -> None:
    """Log exceptions that end threads, unless the application has a hook of its own for them.

    Where the application has set up no logging, ``logging`` writes to the standard error output.
    """
    # Python 3.9 has no name for the original hook.
    if threading.excepthook is getattr(threading, "__excepthook__", threading.excepthook):
        threading.excepthook = report
