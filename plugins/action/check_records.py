"""Check the records before anything on a host is touched."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.inventory import inventory_folders
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import Checked, check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.host import host_questions
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.limits import PROBLEMS_SHOWN
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import Problem
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.spec import record_spec
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.steps import deployed_services, steps
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.views import views

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.check_records``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the records' views, the work of each step and the host's state, or fail with every problem."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        settings = dataclasses.replace(Settings.of(arguments["settings"]), inventories=inventory_folders())
        services = {name: as_list(records) for name, records in (arguments.get("services") or {}).items()}
        records = all_records(arguments["records"], services)
        spec = yaml_load((ROLES / "wsgi_app" / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        # Of the host nothing is asked for so many faults: it would have to look up each record's account and Python.
        alone = check_records(records, record_spec(spec), settings)
        if len(alone.problems) > PROBLEMS_SHOWN:
            return {**result, "failed": True, "msg": problem_text(alone), "warnings": warning_texts(alone)}
        questions = host_questions(records if isinstance(records, list) else [], settings)
        questions["packages"] += arguments.get("packages") or []
        paths = {name: arguments.get(name) or [] for name in ("globs", "written")}
        request = {"layout": arguments["layout"], **paths, **questions}
        answer = self._execute_module("grove.wsgi.host_info", module_args=request, task_vars=task_vars)
        if answer.get("failed"):
            return {**result, **answer}
        checked = check_records(records, record_spec(spec), settings, answer["host"])
        if checked.problems:
            return {**result, "failed": True, "msg": problem_text(checked), "warnings": warning_texts(checked)}
        return {
            **result,
            "changed": False,
            "warnings": warning_texts(checked),
            "records": {record.name: views(record) for record in checked.deployed},
            "steps": {
                **steps(checked, settings, answer["host"]),
                "served_services": deployed_services(services, settings.only, with_tasks("served")),
                "shared_services": deployed_services(services, settings.only, with_tasks("shared")),
            },
            "host": answer["host"],
        }


def with_tasks(name: str) -> list[str]:
    """Return the names of the roles that have tasks of this name."""
    return [path.parents[1].name for path in ROLES.glob(f"*/tasks/{name}.yml")]


def all_records(records: object, services: dict[str, Any]) -> object:
    """Return the inventory's records and those of its services in one list; what is no list stays as it is."""
    if not isinstance(records, list):
        return records
    return [*records, *(record for own in services.values() for record in own)]


def as_list(records: object) -> list[Any]:
    """Return a service's records; what is no list becomes the one element, for the check to refuse."""
    return records if isinstance(records, list) else [records]


def problem_text(checked: Checked) -> str:
    """Return the message of a check that failed: the first problems, and a count."""
    count = "1 problem" if len(checked.problems) == 1 else f"{len(checked.problems)} problems"
    return "\n".join(
        [f"{count} in wsgi_apps, nothing was changed:", *(f"- {line}" for line in first(checked.problems))]
    )


def warning_texts(checked: Checked) -> list[str]:
    """Return the first problems of applications that this run leaves alone, a count, and the advice for the others."""
    lines = [f"{problem} (not a part of this deployment)" for problem in checked.warnings[:PROBLEMS_SHOWN]]
    return [*lines, *first(checked.warnings)[PROBLEMS_SHOWN:], *first(checked.advice)]


def first(problems: Sequence[Problem]) -> list[str]:
    """Return the first ``PROBLEMS_SHOWN`` problems as texts, and one that counts the others where there are any."""
    lines = [str(problem) for problem in problems[:PROBLEMS_SHOWN]]
    more = len(problems) - len(lines)
    return [*lines, f"and {more} more; mend these first, and run again"] if more else lines
