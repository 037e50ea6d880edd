"""Ctrl-C at a moment in which Ansible copies its process.

Ansible makes a copy of its process, a worker, for each task of each host. Three things go wrong with a signal that
arrives then:

* Python calls functions that modules have registered (``os.register_at_fork``; ``logging`` has some), and only prints
  an exception that one of them raises. The KeyboardInterrupt is lost, and the run goes on. Here it is raised again.
* The copy has Ansible's handler until it sets its own. That handler is for the first process: in the copy it raises an
  AssertionError ("can only test a child process"), whose traceback appears on the terminal. Here, a copy that has not
  set its own handler just ends.
* Ansible's handler asks every worker whether it is alive, also one that was closed a moment ago and not replaced yet.
  The answer is a ValueError ("process object is closed"), with which the run ends as if by a fault of Ansible's. Here,
  a closed worker is not alive.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ansible.executor.process.worker import WorkerProcess

PAUSE_SECONDS = 0.05
"""Until the exception is raised again: Python may be busy with the same copy until then. If it is lost again, it comes
again."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Those for which Ansible has a handler."""


class Interrupts:
    """Raises a KeyboardInterrupt again that Python has ignored in the main thread, and keeps new copies silent."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.lost = threading.Event()
        self.before = sys.unraisablehook
        self.thread = threading.local()

    def watch(self) -> None:
        """Begin, in the main thread."""
        sys.unraisablehook = self._ignored
        self.thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        # Python calls what is registered for the copy in this order, and what is registered for before in the reverse
        # one: functions of other modules that were registered earlier run while the signals wait.
        os.register_at_fork(before=self._hold, after_in_parent=self._release, after_in_child=self._end_by_signals)
        threading.Thread(target=self._raise_again, name="interrupts", daemon=True).start()
        WorkerProcess.is_alive = is_alive

    def _hold(self) -> None:
        """Let signals wait that arrive during a copy.

        Two calls: one that arrived before ends the first of them, and the mask of the copy before is still right.
        """
        self.thread.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def _release(self) -> None:
        """Have the signals again that the thread had before the copy."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self.thread.mask)

    def _end_by_signals(self) -> None:
        """In the copy, give up the handlers of the process that it is a copy of. What is ignored stays so."""
        for number in SIGNALS:
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)
        self._release()

    def _ignored(self, exception: Any) -> None:
        """Get an exception that Python ignores; another one than a KeyboardInterrupt is shown as before."""
        is_lost = exception.exc_type is KeyboardInterrupt
        try:
            if not is_lost:
                self.before(exception)
        except KeyboardInterrupt:
            is_lost = True
        while is_lost:
            # A second Ctrl-C may arrive here. Python would complain about it, and both would be lost.
            with contextlib.suppress(KeyboardInterrupt):
                self._note()
                is_lost = False

    def _note(self) -> None:
        """Let the KeyboardInterrupt be raised again, unless this is a copy or another thread."""
        if os.getpid() == self.process and threading.current_thread() is threading.main_thread():
            # Ansible's own handler has told its workers, and is gone: another signal would end this process at once.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self.lost.set()

    def _raise_again(self) -> None:
        while True:
            self.lost.wait()
            self.lost.clear()
            time.sleep(PAUSE_SECONDS)
            _thread.interrupt_main()


def is_alive(worker: WorkerProcess, *, ask: Callable[[WorkerProcess], bool] = WorkerProcess.is_alive) -> bool:
    """Return whether a worker runs, also of one that was closed."""
    try:
        return ask(worker)
    except ValueError:
        return False
