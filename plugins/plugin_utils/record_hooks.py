"""The commands of a record: those around its deployments, and those that timers run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from .record_files import PLACEHOLDER, PLACEHOLDERS
from .record_problems import Check, shown

HOOKS = ("migrate", "contract", "after")
SCHEDULES = ("hourly", "daily", "weekly", "monthly")
TIMER_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")


def check_hooks(record: dict[str, Any], result: Check) -> None:
    """Check that each hook is a command line, and each timer a command line with a schedule."""
    for key in HOOKS:
        if record[key] is not None:
            _check_command(record["name"], key, record[key], result)
    for name, timer in record["timers"].items():
        key = f"timers.{name}"
        if not isinstance(name, str) or not TIMER_NAME.fullmatch(name):
            result.add(
                record["name"], key, shown(name), "a name has lower-case letters, digits and hyphens, 31 at most"
            )
        if not isinstance(timer, Mapping) or set(timer) != {"command", "schedule"}:
            found = f"the keys {', '.join(map(str, timer)) or 'none'}" if isinstance(timer, Mapping) else shown(timer)
            result.add(record["name"], key, found, "it has to be a dictionary with command and schedule")
            continue
        if timer["schedule"] not in SCHEDULES:
            right = f"it has to be one of {', '.join(SCHEDULES)}"
            result.add(record["name"], f"{key}.schedule", shown(timer["schedule"]), right)
        if not isinstance(timer["command"], str):
            result.add(record["name"], f"{key}.command", shown(timer["command"]), "it has to be a text")
        else:
            _check_command(record["name"], f"{key}.command", timer["command"], result)


def _check_command(name: str, key: str, text: str, result: Check) -> None:
    """Check a command line. Its text may hold secrets, and is not shown."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        right = "quotes have to be closed, as in a shell"
        result.add(name, key, f"a command line that cannot be split ({error})", right)
        return
    if not words or "\0" in text:
        result.add(name, key, "an empty command line", "it has to name a command, or be left out")
    for placeholder in PLACEHOLDER.findall(text):
        if placeholder and placeholder not in PLACEHOLDERS:
            right = f"the placeholders are {', '.join('{' + known + '}' for known in PLACEHOLDERS)}"
            result.add(name, key, f"{{{placeholder}}}", right)
