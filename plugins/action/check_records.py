"""Check the records before anything on a host is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.records import check as records
from ansible_collections.grove.wsgi.plugins.plugin_utils.records.settings import Settings

SPECS = Path(__file__).resolve().parents[2] / "roles" / "wsgi_app" / "meta" / "argument_specs.yml"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.check_records``; its arguments are ``records``, ``settings`` and ``layout``."""

    _requires_connection = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the completed records and the host's state, or fail with everything that is wrong."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        spec = yaml.safe_load(SPECS.read_text())["argument_specs"]["record"]["options"]
        given = dict(arguments["settings"])
        for key in ("folders", "httpd_listen"):
            given[key] = tuple(str(value) for value in given.get(key, ()))
        for key in ("servers", "workers_per_server", "processes"):
            given[key] = int(given[key])
        settings = Settings(**given)
        asked = {"layout": arguments["layout"], **records.questions(arguments["records"], settings)}
        answer = self._execute_module("grove.wsgi.host_info", module_args=asked, task_vars=task_vars)
        if answer.get("failed"):
            return {**result, **answer}
        checked = records.check(arguments["records"], spec, settings, answer["host"])
        if checked.problems:
            lines = [str(problem) for problem in checked.problems]
            count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
            message = "\n".join([f"{count} in wsgi_apps, nothing was changed:", *(f"- {line}" for line in lines)])
            return {**result, "failed": True, "msg": message}
        # The environment may hold secrets; it stays where the operator has put it.
        for record in checked.records:
            del record["environment"]
        return {**result, "changed": False, "records": checked.records, "host": answer["host"]}
