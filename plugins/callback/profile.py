"""Where the time of a run went: tasks, and the calls of modules that they made."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import time
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.plugins.callback import CallbackBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.console import profile

DOCUMENTATION = r"""
name: profile
type: aggregate
short_description: Where the time of a run went
description:
  - Shows at the end of a run how long each task took, how many modules it called, and how long these calls took. A call
    starts a Python on the host.
  - Counts the processor time of the controller. Where a host is the controller itself, its modules are part of that.
requirements:
  - enabled in configuration, as C(./grove --profile) does
author: The Grove maintainers (@grove)
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]
    """Callback ``grove.wsgi.profile``."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "grove.wsgi.profile"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self.profile = profile.Profile(profile.seconds_since_start())
        self.calls = Calls()

    def _begin(self, name: str, identity: str = "") -> None:
        self.profile.calls(self.calls.read())
        self.profile.begin(name, identity, time.monotonic())

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Begin a run."""
        self._begin(profile.BETWEEN)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """End the last task of a play."""
        self._begin(profile.BETWEEN)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Begin a task."""
        name = task.get_name().strip()
        self._begin(profile.BETWEEN if task.action in constants._ACTION_META else name, task._uuid)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Begin a handler."""
        self._begin(task.get_name().strip(), task._uuid)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note that a host has done a task."""
        self.profile.done(result.task._uuid)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note that a host has done a task, in vain."""
        self.profile.done(result.task._uuid)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Show where the time went."""
        self.profile.calls(self.calls.read())
        self.profile.end(time.monotonic())
        usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        for line in self.profile.lines(*(each.ru_utime + each.ru_stime for each in usage)):
            self._display.display(line)


class Calls:
    """The calls of modules. A process of its own does each task of a host, and tells of its calls through a pipe."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        for end in (self.reading, self.writing):
            os.set_blocking(end, False)
        ActionBase._execute_module = self._watched(ActionBase._execute_module)

    def _watched(self, execute: Any) -> Any:
        @functools.wraps(execute)
        def watched(action: Any, *words: Any, **options: Any) -> Any:
            begun = time.monotonic()
            try:
                return execute(action, *words, **options)
            finally:
                line = f"{action._task._uuid} {time.monotonic() - begun:.6f}\n"
                # A full pipe loses a figure, and stops nobody.
                with contextlib.suppress(BlockingIOError):
                    os.write(self.writing, line.encode())

        return watched

    def read(self) -> list[tuple[str, float]]:
        """Return the calls since the last time: the identity of each one's task, and its seconds."""
        text = b""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.reading, 65536):
                text += piece
        return [(line.split()[0], float(line.split()[1])) for line in text.decode().splitlines()]
