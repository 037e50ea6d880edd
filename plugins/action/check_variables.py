"""Check the public variables of roles before anything on a host is touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleError
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.reaching import PROGRAMS, address_remedy
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.limits import PROBLEMS_SHOWN
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.problems import ALL, Problems, plain, template_fault
from ansible_collections.grove.wsgi.plugins.plugin_utils.variables import check_variables
from jinja2 import TemplateError

ROLES = Path(__file__).resolve().parents[2] / "roles"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.check_variables``; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fail with every variable that cannot be used."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = options_of(self._task.args["roles"])
        problems = Problems()
        values = {}
        for name in options:
            if name in (task_vars or {}):
                try:
                    values[name] = plain(self._templar.template((task_vars or {})[name]))
                except (AnsibleError, TemplateError) as error:
                    remedy = "define what it reads, or correct it"
                    problems.add(ALL, name, f"a template that fails ({template_fault(error)})", remedy)
        check_variables(options, values, problems)
        address = self._address(task_vars or {})
        if remedy := address_remedy(address):
            problems.add(ALL, "ansible_host", repr(address), remedy)
        if not problems:
            return {**result, "changed": False}
        lines = [f"- {problem}" for problem in problems[:PROBLEMS_SHOWN]]
        more = len(problems) - len(lines)
        lines += [f"- and {more} more; mend these first, and run again"] if more else []
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        return {**result, "failed": True, "msg": "\n".join([f"{count} in variables, nothing was changed:", *lines])}

    def _address(self, variables: dict[str, Any]) -> str:
        """Return the address by which OpenSSH reaches the host; empty where another program does."""
        connection = variables.get("ansible_connection", constants.DEFAULT_TRANSPORT)
        if self._templar.template(connection) not in PROGRAMS:
            return ""
        return str(self._templar.template(variables.get("ansible_host", "")))


def options_of(roles: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Return the options of the roles' public variables by name."""
    options: dict[str, Mapping[str, Any]] = {}
    for role in roles:
        specs = yaml_load((ROLES / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
        options |= {
            name: option
            for point, spec in specs.items()
            if not point.startswith("record_")
            for name, option in spec["options"].items()
            # The check of records reads these.
            if option.get("elements") != "raw"
        }
    return options
