"""The last line of a terminal, which is written again and again while a step is at work."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
from collections.abc import Callable
from typing import Any

from ansible_collections.grove.wsgi.plugins.plugin_utils.console.limits import NARROWEST, TICK_SECONDS

ERASE = "\r\x1b[K"


def is_terminal() -> bool:
    """Return whether the standard output is a terminal whose lines can be written again."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def width() -> int | None:
    """Return the columns of the terminal; None where the standard output is none, and a line may have any length."""
    if not sys.stdout.isatty():
        return None
    with contextlib.suppress(OSError):
        own = os.get_terminal_size(sys.stdout.fileno()).columns
        return max(own or shutil.get_terminal_size().columns, NARROWEST)
    return None


class LiveLine:
    """A line that a thread keeps up to date. Everything else that is displayed takes its place for a moment.

    text: called every half second; returns the line, or an empty text for none. display: Ansible's display.
    """

    def __init__(self, display: Any, text: Callable[[], str]) -> None:
        self.text = text
        self.terminal = is_terminal()
        self.lock = threading.RLock()
        self.stop = threading.Event()
        self.drawn = False
        self.process = os.getpid()
        # Warnings, errors and prompts go through this method, too, whoever displays them.
        self.original = display.display
        display.display = self.display

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._keep, name="console", daemon=True).start()

    def display(self, *arguments: Any, **options: Any) -> None:
        """Display a message as Ansible does, without the live line in its way."""
        # Ansible's workers are copies of this process without its other threads. They send what they display to it.
        if os.getpid() != self.process:
            self.original(*arguments, **options)
            return
        with self.lock:
            self.erase()
            self.original(*arguments, **options)

    def draw(self) -> None:
        """Write the line again."""
        with self.lock:
            if self.stop.is_set():
                return
            text = self.text()
            if self.terminal and text:
                # Ctrl-C may end the writing.
                self.drawn = True
                self._write(f"\r{text}\x1b[K")

    def erase(self) -> None:
        """Remove the line."""
        with self.lock:
            if self.drawn:
                self._write(ERASE)
                self.drawn = False

    def end(self) -> None:
        """Remove the line for good."""
        with self.lock:
            self.stop.set()
            self.erase()

    def _keep(self) -> None:
        while not self.stop.wait(TICK_SECONDS):
            self.draw()

    def _write(self, text: str) -> None:
        # One write each: Ansible holds the lock of this stream while it makes a copy of the process.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(text)
            sys.stdout.flush()
