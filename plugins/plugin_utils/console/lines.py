"""The lines of the console, made of what a run has done. A line is a text with the outcome that chooses its colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.grove.wsgi.plugins.plugin_utils.console.limits import (
    LABEL_LENGTH,
    LABELS_SHOWN,
    MESSAGE_LINES,
    NAME_WIDTH,
    ROWS_SHOWN,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.progress import (
    CHANGED,
    FAILED,
    OK,
    SKIPPED,
    UNREACHABLE,
    Failure,
    Play,
    Run,
    Step,
)
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.text import (
    columns,
    duration,
    fitted,
    hosts,
    printable,
    some,
)

COUNTS = ("ok", "changed", "unreachable", "failures", "skipped", "rescued", "ignored")
NAMES = {"failures": "failed"}
MARK_WIDTH = len(UNREACHABLE)


@dataclass(frozen=True)
class Line:
    """A line of the console. outcome: one of those of ``progress``; empty for text without a colour."""

    text: str
    outcome: str = ""


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def play_line(play: Play) -> Line:
    """Return the line that begins a play."""
    return Line(f"{printable(play.name)}: {hosts(play.hosts)}")


def step_lines(step: Step, play: Play, now: float, width: int | None = None) -> list[Line]:
    """Return the line of a step that has ended, none for one that did nothing. width: columns of the terminal."""
    outcome = step.outcome
    if outcome == SKIPPED:
        return []
    names = [columns(printable(name)) for name in (*play.steps, step.name)]
    name_width = min(max(names), NAME_WIDTH, *([width // 2] if width else []))
    name = printable(step.name)
    shown = fitted(name, name_width) if width else name
    details = [some(label_list(step), LABELS_SHOWN)] if outcome == CHANGED and step.labels else []
    if outcome != OK and len(play.hosts) > 1:
        details.append(f"on {some(in_order(step.of(outcome), play.hosts))}")
    words = [f"  {_padded(outcome, MARK_WIDTH)}  {_padded(shown, name_width)}  {duration(now - step.started):>10}"]
    text = "  ".join([*words, *([" ".join(filter(None, details))] if details else [])])
    return [Line(fitted(text, width - 1) if width else text, outcome)]


def in_order(names: Iterable[str], hosts_of_play: Iterable[str]) -> list[str]:
    """Return the names of hosts in the order of the inventory. They have answered in any order."""
    chosen = set(names)
    return [host for host in hosts_of_play if host in chosen]


def label_list(step: Step) -> list[str]:
    """Return the items of a step's loops that are names."""
    labels = [printable(label) for label in step.labels]
    return [label for label in labels if len(label) <= LABEL_LENGTH]


def live_text(run: Run, now: float, width: int) -> str:
    """Return the line about the step that is at work, for a terminal of ``width`` columns."""
    if run.step is None or run.play is None:
        return ""
    step = run.step
    total = len(run.play.steps)
    place = f"step {step.number} of {total}" if step.number else ""
    parts = [printable(step.name), duration(now - step.started), place]
    if len(run.play.hosts) > 1 and step.waiting:
        parts.append(f"waiting for {some(step.waiting)}")
    text = ", ".join(filter(None, parts))
    task = f": {printable(step.task)}" if step.task and step.task != step.name else ""
    return fitted(f"  {_padded('working', MARK_WIDTH)}  {text}{task}", width - 1)


def sign_of_life(run: Run, now: float) -> Line:
    """Return the line about a step that takes long, where no line can be written again."""
    step = run.step
    assert step is not None
    waiting = f", waiting for {some(step.waiting)}" if step.waiting else ""
    return Line(f"  {_padded('working', MARK_WIDTH)}  {printable(step.name)}, {duration(now - step.started)}{waiting}")


def task_title(step: str, task: str) -> str:
    """Return a task's name behind that of its step."""
    return printable(task if task == step or not step else f"{step}: {task}")


def _row(name: str, counts: Mapping[str, int]) -> str:
    return f"{name} : " + " ".join(f"{f'{NAMES.get(key, key)}={counts[key]}':<4}" for key in COUNTS)


def _outcome(counts: Mapping[str, int]) -> str:
    if counts["unreachable"]:
        return UNREACHABLE
    if counts["failures"]:
        return FAILED
    return CHANGED if counts["changed"] else OK


def host_rows(summaries: Mapping[str, Mapping[str, int]]) -> list[Line]:
    """Return a row with Ansible's counts for each host; of many hosts, the sound ones share rows."""
    rows = [(host, counts, _outcome(counts)) for host, counts in sorted(summaries.items())]
    lines: list[Line] = []
    if len(rows) > ROWS_SHOWN:
        for outcome in (OK, CHANGED):
            same = [(host, counts) for host, counts, own in rows if own == outcome]
            if same:
                text = f"{hosts([host for host, _ in same])}: {'nothing changed' if outcome == OK else 'changed'}"
                lines.append(Line(f"  {text}", outcome))
        rows = [row for row in rows if row[2] not in (OK, CHANGED)]
    width = max((columns(host) for host, _, _ in rows), default=0)
    return [*lines, *(Line(f"  {_row(_padded(host, width), counts)}", outcome) for host, counts, outcome in rows)]


def changed_lines(run: Run, *, check: bool) -> list[Line]:
    """Return what the run changed, step by step."""
    if not run.changes:
        return []
    every = run.every_host()
    lines = []
    for step in run.changes.values():
        labels = f": {some(label_list(step), LABELS_SHOWN)}" if label_list(step) else ""
        place = f" (on {some(in_order(step.of(CHANGED), every))})" if len(every) > 1 else ""
        lines.append(Line(f"  {printable(step.name)}{labels}{place}", CHANGED))
    return [Line("Would change" if check else "Changed"), *lines]


def served_lines(served: Mapping[str, Sequence[str]]) -> list[Line]:
    """Return what is served, with hosts that serve the same in one group."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for host, lines in served.items():
        groups.setdefault(tuple(lines), []).append(host)
    texts: list[Line] = []
    for lines, names in groups.items():
        if lines:
            texts += [Line(f"  on {hosts(names)}"), *(Line(f"    {line}") for line in lines)]
    return [Line("Served"), *texts] if texts else []


def failed_lines(failures: Iterable[Failure]) -> list[Line]:
    """Return the failures: host, step, task and the beginning of the message. Hosts with the same message share it."""
    groups: dict[tuple[str, str, str, bool], list[str]] = {}
    for failure in failures:
        key = (failure.step, failure.name, failure.message, failure.unreachable)
        groups.setdefault(key, []).append(failure.host)
    lines: list[Line] = []
    for (step, name, message, unreachable), names in groups.items():
        outcome = UNREACHABLE if unreachable else FAILED
        state = "cannot be reached" if unreachable else "failed"
        lines.append(Line(f"  {hosts(list(dict.fromkeys(names)))} {state}: {task_title(step, name)}", outcome))
        whole = [line for line in message.splitlines() if line.strip()]
        lines += [Line(f"    {printable(line)}", outcome) for line in whole[:MESSAGE_LINES]]
        if len(whole) > MESSAGE_LINES:
            lines.append(Line(f"    … and {len(whole) - MESSAGE_LINES} lines more, above", outcome))
    return [Line("Failed"), *lines] if lines else []
