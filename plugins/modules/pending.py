"""Compare a deployment of applications with their host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pending
short_description: Which applications the steps of a deployment have work for
description:
  - Compares the releases of applications with those on the host, in one call for all. Changes nothing.
  - Before that it begins the deployment, as M(grove.wsgi.deployment) does.
  - In a playbook this is an action, which computes the ids of the releases on the controller.
options:
  plans:
    description:
      - The build view of each record, as M(grove.wsgi.check_records) returns it, with what may be secret,
        C(environment) and C(sections). Used by the action.
    type: list
    elements: dict
  applications:
    description: For each application, what the module M(grove.wsgi.release) gets of it.
    type: list
    elements: dict
    default: []
  common:
    description: What all of them get, C(slot_wsgi), C(run_script) and C(run).
    type: dict
    default: {}
  begin:
    description:
      - What M(grove.wsgi.deployment) gets to begin the deployment, C(apps), C(base), and C(dead) for runs that have
        ended. Nothing is compared where another run is at work.
    type: dict
    default: {}
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Compare the releases with those on the host
  grove.wsgi.pending:
    plans: "{{ plans }}"
    begin: {apps: [bookstore], base: /srv/wsgi}
"""

RETURN = r"""
run:
  description: The run, for the modules that work on the applications.
  type: dict
  returned: success
held:
  description: The other runs that are at work.
  type: list
  elements: dict
  returned: when there are any
releases:
  description: The id of each application's release.
  type: dict
  returned: success
build:
  description: The applications whose release, folders or scripts differ or are not there.
  type: list
  elements: str
  returned: success
missing:
  description: Those of them whose release is not there.
  type: list
  elements: str
  returned: success
software:
  description: The inputs of the software of each release that is not there, by application. Returned by the action.
  type: dict
  returned: success
migrate:
  description: The applications whose release is not there, or has to be migrated or tried.
  type: list
  elements: str
  returned: success
switch:
  description: The applications whose live release is another one.
  type: list
  elements: str
  returned: success
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app import deployment
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.release.pending import pending

ARGUMENTS: dict[str, dict[str, Any]] = {
    "plans": {"type": "list", "elements": "dict", "no_log": True},
    "applications": {"type": "list", "elements": "dict", "default": []},
    "common": {"type": "dict", "default": {}},
    "begin": {"type": "dict", "default": {}},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)

    def work() -> dict[str, Any]:
        run, begin = module.params["common"].get("run"), module.params["begin"]
        deployment.begin(
            [AppFolder(name, Path(begin["base"], name)) for name in begin.get("apps", ())],
            Run.of(run),
            [one for one in map(Run.of, begin.get("dead", ())) if one is not None],
            dry=module.check_mode,
        )
        applications = [{**module.params["common"], **one} for one in module.params["applications"]]
        releases = {one["name"]: one["release"] for one in applications}
        return {"changed": False, "run": run, "releases": releases, **pending(applications)}

    run_module(module, work)


if __name__ == "__main__":
    main()
