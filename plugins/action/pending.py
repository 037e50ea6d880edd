"""The controller's half of the module ``pending``: it computes the releases of all applications."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.grove.wsgi.plugins.action.deployment import is_gone, this_run
from ansible_collections.grove.wsgi.plugins.action.release import ActionModule as Release
from ansible_collections.grove.wsgi.plugins.action.release import common, of_application

MODULE = "grove.wsgi.pending"


class ActionModule(Release):
    """Action ``grove.wsgi.pending``; see the module's documentation.

    What may be secret goes into the hash of a release, and into no argument of the module.
    """

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Begin the deployment, and compare the releases of ``plans`` with the host.

        Fails with every record whose inputs cannot be read.
        """
        variables = task_vars or {}
        super(Release, self).run(tmp, variables)
        applications, problems = [], []
        for plan in self._task.args["plans"]:
            record = plan["record"]
            try:
                # Templates of a record may read the name of the application, as in the loop that builds releases.
                own = {**variables, "item": record["name"]}
                payload = self._payload(record, plan["environment"], plan["sections"], own)
            except AnsibleActionFail as error:
                problems.append(str(error))
            else:
                applications.append(of_application(record, payload))
        if problems:
            raise AnsibleActionFail("\n".join(problems))
        begin = self._task.args["begin"]
        arguments = {"applications": applications, "common": common(this_run()), "begin": begin}
        result: dict[str, Any] = self._execute_module(MODULE, module_args=arguments, task_vars=variables)
        gone = [run for run in result.get("held", []) if is_gone(run)]
        if result.get("failed") and gone:
            arguments["begin"] = {**begin, "dead": gone}
            result = self._execute_module(MODULE, module_args=arguments, task_vars=variables)
        return result
