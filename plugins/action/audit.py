"""Compare the software of all hosts with the known vulnerabilities, on the controller."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.grove.wsgi.plugins.module_utils.errors import OperatorError
from ansible_collections.grove.wsgi.plugins.module_utils.release.packages import installed
from ansible_collections.grove.wsgi.plugins.plugin_utils.audit import acceptance, report
from ansible_collections.grove.wsgi.plugins.plugin_utils.audit.advisories import Service, look_up


class ActionModule(ActionBase):  # type: ignore[misc]
    """Action ``grove.wsgi.audit``; see the module's documentation."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the report and its lines; it changes nothing, and finding something is no failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self._task.args
        try:
            accepted = acceptance.read(arguments.get("accepted") or [])
        except OperatorError as error:
            raise AnsibleActionFail(str(error)) from error
        hosts = {**arguments["hosts"], report.CONTROLLER: controller()}
        service = Service(arguments.get("service") or "pypi", arguments.get("osv_url") or "")
        today = datetime.datetime.now(datetime.UTC).date()
        advisories = look_up(report.questions(hosts), service)
        judged = report.judge(hosts, arguments.get("missing") or [], advisories, accepted, today)
        judged |= {"made_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "format": 1}
        judged["database"]["service"] = service.osv_url or service.kind
        return {**result, "changed": False, "report": judged, "lines": report.text(judged)}


def controller() -> dict[str, Any]:
    """Return the software of the virtualenv that runs Ansible, as the module ``software`` returns that of a host."""
    if sys.prefix == sys.base_prefix:
        problem = "Ansible runs in no virtualenv here, so its packages were not looked up; use ./grove audit"
        return {"parts": [], "problems": [problem]}
    packages = installed(Path(sys.prefix))
    part: dict[str, Any] = {
        "part": "ansible",
        "release": None,
        "serves": True,
        "locked": True,
        "changed": [],
        "packages": {package.name: package.version for package in packages if package.from_index},
        "own": {package.name: package.version for package in packages if not package.from_index},
    }
    return {"parts": [part]}
