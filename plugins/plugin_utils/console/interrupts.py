"""Ctrl-C at a moment in which Python ignores it.

Ansible makes a copy of its process for each task of each host. While Python does that, it calls functions that other
modules have registered (``os.register_at_fork``; ``logging`` has some), and only prints an exception that one of them
raises. The KeyboardInterrupt of a Ctrl-C that arrives then is lost, and the run goes on. Here it is raised again.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from typing import Any

PAUSE_SECONDS = 0.05
"""Until the exception is raised again: Python may be busy with the same copy until then. If it is lost again, it comes
again."""


class Interrupts:
    """Raises a KeyboardInterrupt again that Python has ignored in the main thread of this process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.lost = threading.Event()
        self.before = sys.unraisablehook

    def watch(self) -> None:
        """Begin, in the main thread."""
        sys.unraisablehook = self._ignored
        threading.Thread(target=self._raise_again, name="interrupts", daemon=True).start()

    def _ignored(self, exception: Any) -> None:
        """Get an exception that Python ignores; another one is shown as before."""
        if exception.exc_type is not KeyboardInterrupt:
            self.before(exception)
        elif os.getpid() == self.process and threading.current_thread() is threading.main_thread():
            # Ansible's own handler has told its workers, and is gone: another signal would end this process at once.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.lost.set()

    def _raise_again(self) -> None:
        while True:
            self.lost.wait()
            self.lost.clear()
            time.sleep(PAUSE_SECONDS)
            _thread.interrupt_main()
