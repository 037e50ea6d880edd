"""The commands of a record that are run around its deployments."""

from __future__ import annotations

import shlex
from typing import Any

from .record_files import PLACEHOLDER, PLACEHOLDERS
from .record_problems import Check

HOOKS = ("migrate", "contract", "after")


def check_hooks(record: dict[str, Any], result: Check) -> None:
    """Check that each hook is a command line. Its text may hold secrets, and is not shown."""
    for key in HOOKS:
        text = record[key]
        if text is None:
            continue
        try:
            words = shlex.split(text)
        except ValueError as error:
            right = "quotes have to be closed, as in a shell"
            result.add(record["name"], key, f"a command line that cannot be split ({error})", right)
            continue
        if not words or "\0" in text:
            result.add(record["name"], key, "an empty command line", "it has to name a command, or be left out")
        for placeholder in PLACEHOLDER.findall(text):
            if placeholder and placeholder not in PLACEHOLDERS:
                right = f"the placeholders are {', '.join('{' + known + '}' for known in PLACEHOLDERS)}"
                result.add(record["name"], key, f"{{{placeholder}}}", right)
