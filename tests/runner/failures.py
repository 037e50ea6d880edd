"""What the output of a scenario says about its failure."""

from __future__ import annotations

import re

TASK_LINES = 60
"""Lines of the failed task that are shown."""
CHECK_LINES = 200
"""Lines of the failed checks that are shown, after the list of their names."""
SECTION = re.compile(r"=+ (?P<title>[^=]+?) =+")
"""The line by which pytest begins a part of its report."""


def failure(molecule: str, checks: str) -> str:
    """Return what shows the failure: pytest's report of the failed checks, or else molecule's last failing task.

    molecule is the output of molecule, and checks that of pytest, empty where the scenario did not get as far.
    """
    return failed_checks(checks) or failed_task(molecule)


def failed_checks(text: str) -> str:
    """Return pytest's list of failed checks and the end of its report of them, or an empty text if none failed."""
    sections: dict[str, list[str]] = {}
    title = ""
    for line in text.splitlines():
        if begun := SECTION.fullmatch(line.strip()):
            title = begun["title"]
        else:
            sections.setdefault(title, []).append(line.rstrip())
    summary = sections.get("short test summary info", [])
    reports = sections.get("ERRORS", []) + sections.get("FAILURES", [])
    if not summary and not reports:
        return ""
    left_out = len(reports) - CHECK_LINES
    if left_out > 0:
        reports = [f"[{left_out} lines are left out]", *reports[left_out:]]
    return "\n".join([*summary, *reports])


def failed_task(text: str) -> str:
    """Return the part of molecule's output from the last failing task on."""
    lines = text.splitlines()
    failed = [number for number, line in enumerate(lines) if re.search(r"fatal:|FAILED!|ERROR|CRITICAL", line)]
    tasks = [number for number, line in enumerate(lines) if "TASK [" in line and failed and number < failed[0]]
    start = tasks[-1] if tasks else max(0, (failed or [len(lines)])[0] - 20)
    return "\n".join(lines[start : start + TASK_LINES])
