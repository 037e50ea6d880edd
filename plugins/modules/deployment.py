"""Begin and end the work of a run on applications or clusters, of which there is one at a time for each."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment
short_description: One run at a time works on an application, or on a cluster of servers
description:
  - Notes in each application's folder which run of ansible-playbook is at work on it, and fails when another one is. In
    a playbook this is an action, which describes the run, and takes over from a run of the same controller that has
    ended.
  - For a cluster, the note is on each member. It keeps a second run from taking another member away.
  - A note that was not renewed for 15 minutes does not count any more.
options:
  apps:
    description: Names of the applications.
    type: list
    elements: str
    default: []
  base:
    description: The folder that holds every application's folder. Needed with I(apps).
    type: path
  clusters:
    description: Groups of which the host is a member, and whose hosts make a cluster.
    type: list
    elements: str
    choices: [database, message_bus]
    default: []
  deployed:
    description: Refuse applications that were never deployed on the host, before anything is written.
    type: bool
    default: false
  state:
    description: Whether the deployment begins or ends.
    type: str
    choices: [begun, ended]
    default: begun
  run:
    description: The run. Filled in by the action.
    type: dict
  dead:
    description: Runs that have ended. Filled in by the action.
    type: list
    elements: dict
    default: []
author: The Grove maintainers (@grove)
"""

EXAMPLES = r"""
- name: Begin the deployment
  grove.wsgi.deployment:
    apps: [bookstore]
    base: /srv/wsgi
  register: deployment
"""

RETURN = r"""
run:
  description: The run, for the modules that work on the applications.
  type: dict
  returned: always
held:
  description: The other runs that are at work.
  type: list
  elements: dict
  returned: when there are any
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.grove.wsgi.plugins.module_utils.app import deployment
from ansible_collections.grove.wsgi.plugins.module_utils.app.folder import AppFolder
from ansible_collections.grove.wsgi.plugins.module_utils.app.lease import Run
from ansible_collections.grove.wsgi.plugins.module_utils.module_result import run_module
from ansible_collections.grove.wsgi.plugins.module_utils.switching import app_file


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "apps": {"type": "list", "elements": "str", "default": []},
            "base": {"type": "path"},
            "clusters": {"type": "list", "elements": "str", "choices": ["database", "message_bus"], "default": []},
            "deployed": {"type": "bool", "default": False},
            "state": {"type": "str", "choices": ["begun", "ended"], "default": "begun"},
            "run": {"type": "dict"},
            "dead": {"type": "list", "elements": "dict", "default": []},
        },
        required_one_of=[("base", "clusters")],
        supports_check_mode=True,
    )
    params = module.params
    run = Run.of(params["run"])
    dead = [one for one in map(Run.of, params["dead"]) if one is not None]
    folders = [AppFolder(name, Path(params["base"], name)) for name in params["apps"]]
    folders += map(deployment.cluster, params["clusters"])

    def work() -> dict[str, Any]:
        if params["state"] == "ended":
            deployment.end(folders, run, dry=module.check_mode)
        else:
            for name in params["apps"] if params["deployed"] else ():
                app_file.read(Path(params["base"]), name)
            deployment.begin(folders, run, dead, dry=module.check_mode)
        return {"changed": False, "run": params["run"]}

    run_module(module, work)


if __name__ == "__main__":
    main()
