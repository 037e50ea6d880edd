"""What a person does next: commands, and the row of the runbook that a failed task has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.grove.wsgi.plugins.plugin_utils.console.limits import HOSTS_SHOWN
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.lines import Line
from ansible_collections.grove.wsgi.plugins.plugin_utils.console.progress import Run

RUNBOOK = Path(__file__).resolve().parents[3] / "docs" / "runbook.md"
HEADING = "## When a run fails"
INVENTORY = ("-i", "--inventory", "--inventory-file")
REPEATED = ("site", "deploy", "infrastructure")
"""Verbs whose command line is the one of ``command``: they need no other word."""
APP = re.compile(r"app=[A-Za-z0-9_-]+")


def command(verb: str, words: Sequence[str], *more: str, app: bool = False) -> str:
    """Return ``./grove VERB`` for the inventory, and if ``app`` is set for the app, that a command line names.

    Other words of the command line are left out: they may be secrets.
    """
    kept: list[str] = []
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else ""
        name, equals, value = word.partition("=")
        if word in INVENTORY:
            kept += ["-i", following]
        elif equals and name in INVENTORY:
            kept += ["-i", value]
        elif re.match(r"-i.", word):
            kept += ["-i", word[2:]]
        elif app and word in ("-e", "--extra-vars") and APP.fullmatch(following):
            kept += ["-e", following]
    return shlex.join(["./grove", verb, *kept, *more])


def completing(verb: str, words: Sequence[str]) -> str:
    """Return what completes a run of a verb that has not done all of its work."""
    if verb == "rollback":
        # Without a release, a second rollback would go back once more.
        named = command(verb, words, "-e", "release=RELEASE", app=True)
        return f"{named}   completes the run; ./grove status shows the releases"
    if verb in REPEATED:
        return f"{command(verb, words, app=True)}   completes the run"
    return "The same command completes the run"


def runbook_row(task: str, page: Path = RUNBOOK) -> tuple[str, str] | None:
    """Return what the runbook says about a failed task: what it means, and what serves now. None without a row."""
    try:
        section = page.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]
    except OSError:
        return None
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in cells[0].split(", ") if len(cells) == 3 else ():
            if task == name or (name.endswith("…") and task.startswith(name.removesuffix("…"))):
                return _plain(cells[1]), _plain(cells[2])
    return None


def _plain(text: str) -> str:
    """Return a sentence of a page without its links."""
    return re.sub(r" ?\(\[[^]]*\]\([^)]*\)\)|\[([^]]*)\]\([^)]*\)", r"\1", text)


def after_failure(run: Run, verb: str, words: Sequence[str]) -> list[Line]:
    """Return what to do after a run that failed on some hosts."""
    lines = []
    for task in dict.fromkeys(one.name for one in run.failures if not one.unreachable):
        row = runbook_row(task) or next(
            filter(None, (runbook_row(one.step) for one in run.failures if one.name == task)), None
        )
        if row:
            lines += [f"{task}: {row[0]}.", f"It serves now: {row[1]}."]
    if any(not one.unreachable for one in run.failures):
        lines.append('See docs/runbook.md, "When a run fails".')
    names = list(dict.fromkeys(one.host for one in run.failures))
    limit = ["-l", ",".join(names)] if 0 < len(names) <= HOSTS_SHOWN else []
    lines.append(f"{command('doctor', words, *limit)}   examines the host{'s' if len(names) > 1 else ''}")
    lines.append(f"{completing(verb, words)}, when the cause is mended")
    return [Line("Next"), *(Line(f"  {line}") for line in lines)]


def after_success(run: Run, words: Sequence[str]) -> list[Line]:
    """Return how to look at what a run has deployed; nothing after a run that serves nothing."""
    if not any(run.served.values()):
        return []
    lines = [f"{command('status', words)}   shows what is live on each host"]
    for host, texts in run.served.items():
        url = next((match.group() for text in texts if (match := re.search(r"https?://[^\s,;]+", text))), "")
        if url:
            place = "" if host == "localhost" or not re.search(r"//(127\.|\[::1\]|localhost)", url) else f"   on {host}"
            lines.append(f"curl -i {shlex.quote(url)}{place}")
            break
    return [Line("Next"), *(Line(f"  {line}") for line in lines)]


def after_interruption(run: Run, verb: str, words: Sequence[str]) -> list[Line]:
    """Return what to do after a run that ended before its end."""
    step = f" in the step {run.step.name!r}" if run.step else ""
    return [
        Line(f"The run was ended{step}."),
        Line(f"  {completing(verb, words)}"),
    ]
