"""Checking the commands of a record: those around its deployments, its timers, and the agents beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import fields

from .limits import AGENT_RANGES, UNIT_NAME_LENGTH
from .placeholders import check_placeholders
from .problems import Problems, kind_of_value, shown
from .record import Agent, Record, Timer
from .syntax import argument

HOOKS = ("prepare", "migrate", "contract", "after")
DATABASE_OPTION = "database/connection"
DATABASE_KEYS = ({"config"}, {"config", "option"}, {"variable"})
SCHEDULES = ("hourly", "daily", "weekly", "monthly")
UNIT_NAME = re.compile(rf"[a-z][a-z0-9-]{{0,{UNIT_NAME_LENGTH - 1}}}")
RESTARTS = ("before", "before_upgrade", "after")
INSTANCES = ("each", "one")


def check_hooks(record: Record, problems: Problems) -> None:
    """Check hooks (a command line, or a list of them), timers and agents."""
    for key in HOOKS:
        value = getattr(record.keys.replace, key)
        if value is not None:
            _check_hook(record, key, value, problems)
    if (build := record.keys.make.build) is not None:
        _check_hook(record, "build", build, problems)
        if record.source.kind != "folder":
            remedy = "it goes with a source folder only, whose files it makes"
            problems.add(record.name, "build", shown(build), remedy)
    for file, names in record.keys.replace.migrate_reads.items():
        _check_read_file(record, file, names, problems)
    for name, timer in record.keys.run.timers.items():
        _check_timer(record, name, timer, problems)
    for name, agent in record.keys.run.agents.items():
        _check_agent(record, name, agent, problems)


def _check_hook(record: Record, key: str, value: object, problems: Problems) -> None:
    if isinstance(value, str):
        _check_command(record, key, value, problems)
    elif isinstance(value, tuple) and value and all(isinstance(line, str) for line in value):
        for number, line in enumerate(value):
            _check_command(record, f"{key}[{number}]", line, problems)
    else:
        actual = "an empty list" if value == () else kind_of_value(value)
        problems.add(record.name, key, actual, "it has to be a command line, or a list of command lines")


def _check_read_file(record: Record, file: object, names: object, problems: Problems) -> None:
    key = f"migrate_reads.{file}"
    if file not in record.config:
        files = ", ".join(sorted(record.config)) or "none"
        problems.add(record.name, key, "a file that is not in config", f"it has to be one of its files ({files})")
    elif not isinstance(names, (list, tuple)) or not all(isinstance(name, str) and name for name in names):
        remedy = "it has to be a list of sections and of options (SECTION/OPTION), or empty for the whole file"
        problems.add(record.name, key, shown(names), remedy)
    elif names and (record.config[str(file)] is not None or file in record.copies):
        actual = f"{shown(names)} of a file that is not made of sections"
        problems.add(record.name, key, actual, "it has to be an empty list, which stands for the whole file")


def _check_timer(record: Record, name: object, timer: object, problems: Problems) -> None:
    key = f"timers.{name}"
    _check_unit_name(record.name, key, name, problems)
    if not isinstance(timer, Mapping) or set(timer) != {field.name for field in fields(Timer)}:
        problems.add(record.name, key, _keys_of(timer), "it has to be a dictionary with command and schedule")
        return
    if timer["schedule"] not in SCHEDULES:
        remedy = f"it has to be one of {', '.join(SCHEDULES)}"
        problems.add(record.name, f"{key}.schedule", shown(timer["schedule"]), remedy)
    _check_text_command(record, f"{key}.command", timer["command"], problems)


def _check_agent(record: Record, name: object, agent: object, problems: Problems) -> None:
    key = f"agents.{name}"
    _check_unit_name(record.name, key, name, problems)
    if name in record.keys.run.timers:
        remedy = "an agent and a timer need names of their own"
        problems.add(record.name, key, f"timers.{name}, too", remedy)
    if not isinstance(agent, Mapping) or "command" not in agent or set(agent) - {field.name for field in fields(Agent)}:
        others = [field.name for field in fields(Agent) if field.name != "command"]
        remedy = f"it has to be a dictionary with command, and perhaps {', '.join(others[:-1])} and {others[-1]}"
        problems.add(record.name, key, _keys_of(agent), remedy)
        return
    completed = record.agents[str(name)]
    if completed.restart not in RESTARTS:
        remedy = f"it has to be one of {', '.join(RESTARTS)} (the switch)"
        problems.add(record.name, f"{key}.restart", shown(completed.restart), remedy)
    for field, seconds in (("stop_timeout", completed.stop_timeout), ("settle", completed.settle)):
        if seconds not in AGENT_RANGES[field]:
            problems.add(record.name, f"{key}.{field}", shown(seconds), f"it has to be {AGENT_RANGES[field]}")
    notify: object = completed.notify
    if not isinstance(notify, bool):
        problems.add(record.name, f"{key}.notify", shown(notify), "it has to be true or false")
    if completed.instances not in INSTANCES:
        remedy = f"it has to be one of {', '.join(INSTANCES)} (API hosts)"
        problems.add(record.name, f"{key}.instances", shown(completed.instances), remedy)
    else:
        _check_database(record, f"{key}.database", completed, problems)
    _check_text_command(record, f"{key}.command", completed.command, problems)


def has_lease(record: Record, agent: Agent) -> bool:
    """Return whether the host needs the lease of an agent to run it, since another host may have the agent, too."""
    return record.several and agent.instances == "one"


def _check_database(record: Record, key: str, agent: Agent, problems: Problems) -> None:
    """Check where the URL of the database is by which several hosts agree on the one that runs an agent."""
    database: object = agent.database
    if agent.instances == "each":
        if database is not None:
            problems.add(record.name, key, shown(database), "it goes with instances: one; leave it out")
        return
    kinds = "{config: FILE, option: SECTION/OPTION} of a file in config or paste, or {variable: NAME} of environment"
    if not isinstance(database, Mapping) or set(database) not in DATABASE_KEYS:
        actual = "no database" if database is None else _keys_of(database)
        remedy = f"the hosts agree by a database on the one that runs the agent; say where its URL is: {kinds}"
        problems.add(record.name, key, actual, remedy)
    elif not all(isinstance(value, str) and value for value in database.values()):
        problems.add(record.name, key, shown(database), f"it has to be {kinds}")
    elif "variable" in database:
        if database["variable"] not in record.environment:
            names = ", ".join(sorted(record.environment)) or "none"
            remedy = f"it has to be one of its variables ({names})"
            problems.add(record.name, f"{key}.variable", "a variable that is not in environment", remedy)
    elif database["config"] not in (*record.config, *record.paste):
        files = ", ".join(sorted((*record.config, *record.paste))) or "none"
        problems.add(
            record.name, f"{key}.config", "a file that is not in config", f"it has to be one of its files ({files})"
        )
    else:
        _check_database_option(record, key, database, problems)


def _check_database_option(record: Record, key: str, database: Mapping[str, str], problems: Problems) -> None:
    section, slash, option = database.get("option", DATABASE_OPTION).rpartition("/")
    if not (section and slash and option):
        problems.add(record.name, f"{key}.option", shown(database["option"]), "it has to be SECTION/OPTION")
        return
    sections = record.keys.make.config.get(database["config"])
    if record.several and isinstance(sections, Mapping) and database["config"] not in record.copies:
        values = sections.get(section)
        url = values.get(option) if isinstance(values, Mapping) else None
        if not url or str(url).startswith("sqlite"):
            actual = f"{section}/{option} of {database['config']} is {'a file of SQLite' if url else 'not set'}"
            problems.add(record.name, key, actual, "several hosts need a database server that all of them reach")


def _keys_of(value: object) -> str:
    if isinstance(value, Mapping):
        return f"the keys {', '.join(map(str, value)) or 'none'}"
    return shown(value)


def _check_unit_name(record: str, key: str, name: object, problems: Problems) -> None:
    if not isinstance(name, str) or not UNIT_NAME.fullmatch(name):
        remedy = f"a name has lower-case letters, digits and hyphens, {UNIT_NAME_LENGTH} at most"
        problems.add(record, key, shown(name), remedy)


def _check_text_command(record: Record, key: str, command: object, problems: Problems) -> None:
    if isinstance(command, str):
        _check_command(record, key, command, problems)
    else:
        problems.add(record.name, key, shown(command), "it has to be a text")


def _check_command(record: Record, key: str, text: str, problems: Problems) -> None:
    """Check a command line. Its text may hold secrets, and is not shown."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        remedy = "quotes have to be closed, as in a shell"
        problems.add(record.name, key, f"a command line that cannot be split ({error})", remedy)
        return
    if not words or not words[0] or words[0].startswith("-"):
        actual = "a command line that begins with an option" if words and words[0] else "an empty command line"
        problems.add(record.name, key, actual, "it has to name a command, or be left out")
    for remedy in filter(None, map(argument, words)):
        problems.add(record.name, key, "an argument that is too long", remedy)
    check_placeholders(record, key, text, problems)
