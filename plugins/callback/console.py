"""The output of ``./grove``: steps, hosts and times in place of a banner for each task."""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.playbook.block import Block
from ansible.playbook.task_include import TaskInclude
from ansible.plugins.callback.default import CallbackModule as Default
from ansible_collections.grove.wsgi.plugins.plugin_utils.console import (
    advice,
    interrupts,
    lines,
    progress,
    terminal,
    text,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.limits import SIGN_OF_LIFE_SECONDS
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.lines import Line

DOCUMENTATION = r"""
name: console
type: stdout
short_description: Steps, hosts and times in place of a banner for each task
description:
  - Shows a line for each step of a play, with its time and the hosts that it changed. On a terminal, the last line
    tells what is at work. A run ends with what changed, what is served, and what to do next.
  - Failures, warnings, differences and messages of the action C(debug) appear as in Ansible's own output.
  - A play that calls M(grove.wsgi.show) is a report. Its steps appear only while they are at work, and of a failure
    only the message.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as stdout in configuration
author: The Grove maintainers (@grove)
"""

COLOURS = {
    progress.OK: constants.COLOR_OK,
    progress.CHANGED: constants.COLOR_CHANGED,
    progress.FAILED: constants.COLOR_ERROR,
    progress.UNREACHABLE: constants.COLOR_UNREACHABLE,
}
PAUSE = ("ansible.builtin.pause", "pause")
SHOW = "grove.wsgi.show"
VALIDATION = ("ansible.builtin.validate_argument_spec", "validate_argument_spec")
REPORT = "Report what is served"
"""The name of the tasks whose messages stand at the end of a run."""


class CallbackModule(Default):  # type: ignore[misc]
    """Callback ``grove.wsgi.console``."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "grove.wsgi.console"

    def __init__(self) -> None:
        super().__init__()
        self.run = progress.Run(time.monotonic())
        self.live = terminal.LiveLine(self._display, self._live_text)
        self.interrupts = interrupts.Interrupts()
        self.verb = ""
        self.rescued: set[str] = set()
        self.prompts = False
        atexit.register(self._at_exit)

    def show(self, shown: Iterable[Line]) -> None:
        """Display lines in the colours of their outcomes."""
        for line in shown:
            self._display.display(line.text, color=COLOURS.get(line.outcome))

    def _live_text(self) -> str:
        """Return the live line; on a pipe, show a line of its own about a step that takes long."""
        now = time.monotonic()
        step = self.run.step
        if self.prompts:
            return ""
        if self.live.terminal:
            return lines.live_text(self.run, now, terminal.width() or 80)
        if step is not None and now - step.shown > SIGN_OF_LIFE_SECONDS and not self._reports():
            step.shown = now
            self.show([lines.sign_of_life(self.run, now)])
            sys.stdout.flush()
        return ""

    def _reports(self) -> bool:
        return self.run.play is not None and self.run.play.reports

    def _end_step(self, ended: progress.Step | None) -> None:
        play = self.run.play
        if ended is None or play is None:
            return
        if not play.reports:
            self.show(lines.step_lines(ended, play, time.monotonic(), terminal.width()))

    def _begin(self) -> None:
        """Show the head of a play with its first task: a play without hosts has none."""
        play = self.run.play
        if play is not None and not play.begun:
            play.begun = True
            if not play.reports:
                self.show([lines.play_line(play)])

    # What Ansible calls.

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Begin a run."""
        self.verb = Path(playbook._file_name).stem
        self.live.start()
        self.interrupts.watch()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Begin a play."""
        self._end_step(self.run.end_step())
        self._play = play
        names = [host.name for host in play.get_variable_manager()._inventory.get_hosts(play.hosts)]
        blocks = play.compile()
        self.rescued |= {task._uuid for task in rescued_tasks(blocks)}
        tasks = list(tasks_of(blocks))
        steps = dict.fromkeys(step_name(task) for task in tasks if task.action not in constants._ACTION_META)
        reports = any(task.resolved_action == SHOW or task.action == SHOW for task in tasks)
        check = " (check mode: nothing is changed)" if play.check_mode else ""
        self.run.begin_play(progress.Play(play.get_name().strip() + check, names, list(steps), reports))

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Begin a task, and a step with the first task of one."""
        self._begin_task(task)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Begin a handler."""
        self._begin_task(task)

    def _begin_task(self, task: Any) -> None:
        self._last_task_name = task.get_name().strip()
        self._begin()
        name = readable(task)
        self._end_step(self.run.begin_task(step_name(task), name, time.monotonic()))
        # A question to the person at the terminal stands in the last line, too.
        self.prompts = task.action in PAUSE or bool(context.CLIARGS["step"])
        if self.prompts:
            self.live.erase()
        self.live.draw()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Note a host that is at work."""
        self.run.host_started(host.name)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note that a host has done the task. Show warnings, and messages of ``debug``."""
        host, changed = result.host.name, bool(result.result.get("changed"))
        if isinstance(result.task, TaskInclude):
            return
        self.run.host_ended(host, progress.CHANGED if changed else progress.OK)
        self._handle_warnings_and_exception(result)
        if not (result.task.loop and "results" in result.result):
            self._message(result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Note an item of a loop."""
        if isinstance(result.task, TaskInclude):
            return
        self._handle_warnings_and_exception(result)
        label = self._get_item_label(result.result)
        if result.result.get("changed") and isinstance(label, str):
            self.run.item_changed(label)
        self._message(result)

    def _message(self, result: Any) -> None:
        """Show what ``debug`` says, or keep it for the end."""
        message = result.result.get("msg")
        is_debug = result.task.action in constants._ACTION_DEBUG
        if is_debug and isinstance(message, str | list):
            shown = [str(line) for line in ([message] if isinstance(message, str) else message)]
            texts = [line for each in shown for line in each.splitlines()]
            if result.task.name == REPORT:
                self.run.report(result.host.name, texts)
            else:
                self.show(Line(f"  {result.host.name}: {text}") for text in texts)
        elif (is_debug or self._display.verbosity) and self._run_is_verbose(result):
            self._clean_results(result.result, result.task.action)
            self._display.display(f"  {self.host_label(result)}: {self._dump_results(result.result)}")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Show a failure as Ansible does; of a report, the message alone.

        A report leaves out the failures that a task of the same block deals with.
        """
        message = failure_text(result.result)
        if not ignore_errors:
            self.run.failed(result.host.name, message)
        if not self._reports():
            super().v2_runner_on_failed(result, ignore_errors)
        elif result.task._uuid not in self.rescued:
            self._report_failure(result, message)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Show that a host cannot be reached as Ansible does. A report that goes on with that says it by itself."""
        ignored = result.task.ignore_unreachable
        if not ignored:
            self.run.failed(result.host.name, failure_text(result.result), unreachable=True)
        if not self._reports():
            super().v2_runner_on_unreachable(result)
        elif not ignored:
            self._report_failure(result, f"the host cannot be reached: {failure_text(result.result)}")

    def _report_failure(self, result: Any, message: str) -> None:
        """Show the message of a failure. One of a task that is done once is not about its host."""
        prefix = "" if result.task.run_once else f"{result.host.name}: "
        whole = message.splitlines() or [f"the task failed: {result.task.get_name().strip()}"]
        self.show(Line(f"{prefix}{text.printable(line)}", progress.FAILED) for line in whole)

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Note that a host has nothing to do."""
        self.run.host_ended(result.host.name, progress.SKIPPED)

    def _print_task_banner(self, task: Any) -> None:
        """Show the name of a task above what it displays."""
        self.show([Line(f"  {lines.task_title(step_name(task), readable(task))}")])
        self._last_task_banner = task._uuid

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Show what changed, what is served, and what to do next."""
        self._end_step(self.run.end_step())
        self.run.ended = True
        self.live.end()
        summaries = {host: stats.summarize(host) for host in stats.processed}
        lost = {host for host, counts in summaries.items() if counts["failures"] or counts["unreachable"]}
        self.run.put_in_order()
        self.run.failures = [failure for failure in self.run.failures if failure.host in lost]
        if not summaries:
            self.show([Line("No host of the inventory takes part in this run.")])
        elif not self.run.reports:
            self._end(summaries, bool(lost))

    def _end(self, summaries: dict[str, dict[str, int]], lost: bool) -> None:
        words = sys.argv[1:]
        check = bool(context.CLIARGS["check"])
        blocks = [
            lines.changed_lines(self.run, check=check),
            lines.served_lines(self.run.served),
            lines.failed_lines(self.run.failures),
            [Line(f"Hosts, after {text.duration(time.monotonic() - self.run.started)}"), *lines.host_rows(summaries)],
            advice.after_failure(self.run, self.verb, words) if lost else advice.after_success(self.run, words),
        ]
        for block in filter(None, blocks):
            self.show([Line(""), *block])

    def _at_exit(self) -> None:
        """Leave the terminal in order, also after a signal."""
        if os.getpid() != self.live.process:
            return
        self.live.end()
        if self.run.plays and not self.run.ended:
            self.show(advice.after_interruption(self.run, self.verb, sys.argv[1:]))
            sys.stdout.flush()

    # What Ansible shows, and the lines of the steps say.

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Show nothing."""

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Show nothing."""

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        """Show nothing."""

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """Show nothing."""

    def v2_runner_retry(self, result: Any) -> None:
        """Show nothing."""

    def v2_runner_on_async_poll(self, result: Any) -> None:
        """Show nothing."""

    def v2_runner_on_async_ok(self, result: Any) -> None:
        """Show nothing."""


def tasks_of(blocks: Iterable[Any]) -> Iterator[Any]:
    """Yield the tasks of blocks, also of those within."""
    for each in blocks:
        if isinstance(each, Block):
            yield from tasks_of([*each.block, *each.rescue, *each.always])
        else:
            yield each


def rescued_tasks(blocks: Iterable[Any]) -> Iterator[Any]:
    """Yield the tasks of blocks for whose failure a block around them has other tasks."""
    for each in blocks:
        if isinstance(each, Block):
            yield from tasks_of(each.block) if each.rescue else rescued_tasks(each.block)
            yield from rescued_tasks([*each.rescue, *each.always])


def step_name(task: Any) -> str:
    """Return the name of the outermost include that a task came by; its own name where there is none."""
    name, parent = readable(task), task._parent
    while parent is not None:
        if isinstance(parent, TaskInclude) and parent.name:
            name = parent.name
        parent = parent._parent
    return str(name).strip()


def readable(task: Any) -> str:
    """Return a task's name without that of its role. The check that Ansible adds to each role has no short one."""
    if task.action in VALIDATION:
        return "Check the variables"
    return str(task.name or task.get_name()).strip()


def failure_text(result: dict[str, Any]) -> str:
    """Return the message of a failure; of a loop, the messages of the items that failed."""
    items = [item for item in result.get("results") or [] if isinstance(item, dict) and item.get("failed")]
    texts = [str(one.get("msg") or one.get("stderr") or one.get("exception") or "") for one in items or [result]]
    return "\n".join(dict.fromkeys(filter(None, texts)))
