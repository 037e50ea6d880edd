"""The controller's half of the module ``pending``: it computes the releases of all applications."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.grove.wsgi.plugins.action.deployment import past_dead_runs, this_run
from ansible_collections.grove.wsgi.plugins.action.release import ActionModule as Release
from ansible_collections.grove.wsgi.plugins.action.release import common, of_application
from ansible_collections.grove.wsgi.plugins.module_utils.release import software

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
        arguments = {"applications": applications, "common": common(this_run())}

        def call(dead: list[dict[str, Any]]) -> dict[str, Any]:
            begin = {**self._task.args["begin"], "dead": dead}
            result: dict[str, Any] = self._execute_module(
                MODULE, module_args={**arguments, "begin": begin}, task_vars=variables
            )
            return result

        result = past_dead_runs(call)
        inputs = {one["name"]: software.inputs_of(one["inputs"]) for one in applications}
        return {**result, "software": {name: inputs[name] for name in result.get("missing", ()) if inputs[name]}}
