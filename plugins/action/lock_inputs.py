"""The controller's half of the module ``lock_inputs``: it reads what a record names."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.action.check_records import all_records, as_list, problem_text
from ansible_collections.grove.wsgi.plugins.plugin_utils.inventory import inventory_folders
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.checking import check_records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import Problem
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.record import Record
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.spec import record_spec

ROLES = Path(__file__).resolve().parents[2] / "roles"
WSGI = ROLES.parent / "wsgi"
MODULE = "grove.wsgi.lock_inputs"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.lock_inputs``; see the module's documentation."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return what the record of the app names, and its Python on the host, or fail with the record's problems."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        app = str(arguments["app"])
        services = {name: as_list(records) for name, records in (arguments.get("services") or {}).items()}
        records = all_records(arguments["records"], services)
        settings = dataclasses.replace(Settings.of(arguments["settings"]), inventories=inventory_folders(), locking=app)
        settings = dataclasses.replace(settings, require_hashes=False)
        spec = record_spec(yaml_load((ROLES / "wsgi_app/meta/argument_specs.yml").read_text())["argument_specs"])
        written = check_records(records, spec, settings).written
        names = [record.name for record in written]
        if isinstance(records, list) and app not in names:
            return {**result, "changed": False, "wanted": None, "names": names}
        checked = check_records(records, spec, dataclasses.replace(settings, only=(app,)))
        if checked.problems:
            return {**result, "failed": True, "msg": problem_text(checked)}
        [record] = [one for one in checked.deployed if one.name == app]
        service = next((name for name, own in services.items() if app in names_of(own)), None)
        if service and record.lock and is_groves(record.lock):
            return {**result, "failed": True, "msg": str(of_service(record, service))}
        answer: dict[str, Any] = self._execute_module(
            MODULE, module_args={"python": record.python}, task_vars=task_vars
        )
        if answer.get("failed"):
            return {**result, **answer}
        if answer["python"] is None:
            actual = f"{record.python!r}, which cannot be run on {(task_vars or {})['inventory_hostname']}"
            problem = Problem(app, "python", actual, "it has to be a Python on the host")
            return {**result, "failed": True, "msg": str(problem)}
        wanted = {
            "name": app,
            "source": dataclasses.asdict(record.source),
            "exclude": list(record.keys.install.exclude),
            "requirements": list(record.keys.install.requirements),
            "lock": record.keys.install.lock,
            "path": record.lock,
        }
        return {**result, "changed": False, "wanted": wanted, "python": answer["python"], "names": names}


def names_of(records: list[Any]) -> list[Any]:
    """Return the names of a service's records."""
    return [record.get("name") for record in records if isinstance(record, dict)]


def is_groves(path: str) -> bool:
    """Return whether a file came with Grove."""
    return any(folder in Path(path).resolve().parents for folder in (ROLES, WSGI))


def of_service(record: Record, service: str) -> Problem:
    """Return that the lock of a service comes with Grove."""
    remedy = f"copy the file into the inventory, and name the copy: {service}_record: {{lock: {record.name}.lock}}"
    return Problem(record.name, "lock", f"{record.lock}, which comes with the service {service}", remedy)
