"""The commands of a record: those around its deployments, those that timers run, and the agents beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ...module_utils.agents.limits import SETTLE_SECONDS
from .files import PLACEHOLDER, PLACEHOLDERS
from .problems import Check, shown

HOOKS = ("migrate", "contract", "after")
SCHEDULES = ("hourly", "daily", "weekly", "monthly")
UNIT_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
RESTARTS = ("before", "after")
STOP_TIMEOUT = 60


def check_hooks(record: dict[str, Any], result: Check) -> None:
    """Check hooks (a command line, or a list of them), timers and agents; complete the agents."""
    for key in HOOKS:
        if record[key] is not None:
            _check_hook(record["name"], key, record[key], result)
    for name, timer in record["timers"].items():
        key = f"timers.{name}"
        _check_unit_name(record["name"], key, name, result)
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
    _check_agents(record, result)


def _check_hook(name: str, key: str, value: object, result: Check) -> None:
    if isinstance(value, str):
        _check_command(name, key, value, result)
    elif isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        for number, line in enumerate(value):
            _check_command(name, f"{key}[{number}]", line, result)
    else:
        found = "an empty list" if value == [] else f"a {type(value).__name__}"
        result.add(name, key, found, "it has to be a command line, or a list of command lines")


def _check_unit_name(record: str, key: str, name: object, result: Check) -> None:
    if not isinstance(name, str) or not UNIT_NAME.fullmatch(name):
        result.add(record, key, shown(name), "a name has lower-case letters, digits and hyphens, 31 at most")


def _check_agents(record: dict[str, Any], result: Check) -> None:
    completed = {}
    for name, agent in record["agents"].items():
        key = f"agents.{name}"
        _check_unit_name(record["name"], key, name, result)
        if name in record["timers"]:
            result.add(record["name"], key, f"timers.{name}, too", "an agent and a timer need names of their own")
        keys = ("command", "restart", "stop_timeout", "notify", "settle")
        if not isinstance(agent, Mapping) or "command" not in agent or set(agent) - set(keys):
            found = f"the keys {', '.join(map(str, agent)) or 'none'}" if isinstance(agent, Mapping) else shown(agent)
            right = "it has to be a dictionary with command, and perhaps restart, stop_timeout, notify and settle"
            result.add(record["name"], key, found, right)
            continue
        one = {"restart": "after", "stop_timeout": STOP_TIMEOUT, "notify": False, "settle": SETTLE_SECONDS, **agent}
        if one["restart"] not in RESTARTS:
            right = f"it has to be one of {', '.join(RESTARTS)} (the switch)"
            result.add(record["name"], f"{key}.restart", shown(one["restart"]), right)
        for field, most in (("stop_timeout", 3600), ("settle", 120)):
            seconds = one[field]
            if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= most:
                result.add(record["name"], f"{key}.{field}", shown(seconds), f"it has to be from 1 to {most}")
        if not isinstance(one["notify"], bool):
            result.add(record["name"], f"{key}.notify", shown(one["notify"]), "it has to be true or false")
        if not isinstance(one["command"], str):
            result.add(record["name"], f"{key}.command", shown(one["command"]), "it has to be a text")
        else:
            _check_command(record["name"], f"{key}.command", one["command"], result)
        completed[str(name)] = one
    record["agents"] = completed


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
