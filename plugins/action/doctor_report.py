"""Examine the controller, and put the findings of all hosts together."""

from __future__ import annotations

import datetime
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.plugin_utils.doctor import report
from ansible_collections.grove.wsgi.plugins.plugin_utils.doctor.controller import controller

KEY = "ansible_ssh_private_key_file"


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.doctor_report``; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the report and its lines; it changes nothing, and finding something is no failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        hosts = self._task.args["hosts"]
        own = {name: variables["hostvars"][name] for name in hosts}
        connections = {name: str(each.get("ansible_connection", "ssh")) for name, each in own.items()}
        keys = {str(each[KEY]) for each in own.values() if KEY in each}
        findings = [each.plain() for each in controller(variables["groups"], connections, sorted(keys))]
        judged = report.judge(hosts, findings)
        judged |= {"made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "format": 1}
        return {**result, "changed": False, "report": judged, "lines": report.text(judged)}
